// Shared by the files that write a notice.
#pragma once

#include "danelaw/message/dsn.hpp"

#include <string>
#include <string_view>

namespace danelaw::message {

// The form of the status part: ASCII with \x{…} (RFC 3464) or UTF-8 (RFC 6533 4).
enum class Form { classic, global };

inline constexpr std::size_t most_word = 900; // longer ones are broken: a line has 998 octets at most (DQ-051)

std::string status_part(const NoticeFacts& facts, Form form);
std::string diagnostic(const Outcome& outcome); // Diagnostic-Code's value, printable (DQ-049, DQ-056)
std::string ascii_only(std::string_view s);     // other octets as \xHH
std::string folded(std::string_view name, std::string_view value); // one field with its CRLF
std::string utf8_of(unsigned code);

} // namespace danelaw::message
