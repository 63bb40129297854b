// Who holds a key to the admin API: the file that admin.token_file names. Read by the daemon at start and reload, by
// `config check`, and by the commands that ask the daemon.
#pragma once

#include "danelaw/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace danelaw::config {

// What a request may do; each includes the one before.
enum class Right { none, read, admin };
std::string_view word(Right right); // "none", "read-only", "admin"

struct Token {
    std::string text;
    Right right = Right::admin;
};

// A token a line, with `admin` (the default) or `read-only` behind it; `#` begins a comment. Pure.
Result<std::vector<Token>> parse_tokens(std::string_view text);
// errc::config names the file, the line and what is wrong; a file without a token is wrong too.
Result<std::vector<Token>> read_tokens(const std::string& path);

} // namespace danelaw::config
