// The admin API's tokens. See tokens.hpp.
#include "danelaw/config/tokens.hpp"

#include "danelaw/base/text.hpp"

#include <fstream>
#include <sstream>

namespace danelaw::config {
namespace {

std::vector<std::string> words_of(std::string_view line) {
    std::istringstream in(std::string(line.substr(0, line.find('#'))));
    std::vector<std::string> words;
    for (std::string w; in >> w;) words.push_back(std::move(w));
    return words;
}

} // namespace

std::string_view word(Right right) {
    switch (right) {
    case Right::none: return "none";
    case Right::read: return "read-only";
    case Right::admin: return "admin";
    }
    return "";
}

Result<std::vector<Token>> parse_tokens(std::string_view text) {
    std::vector<Token> tokens;
    std::size_t number = 0;
    for (const std::string& line : split(text, '\n')) {
        ++number;
        const std::vector<std::string> words = words_of(line);
        if (words.empty()) continue;
        Token token{words[0], Right::admin};
        const bool known = words.size() == 1 || words[1] == word(Right::admin) || words[1] == word(Right::read);
        if (words.size() > 2 || !known) { // the line itself is a secret: not repeated
            return fail(Errc::config, "line " + std::to_string(number) + ": write a token and `admin` or `read-only`");
        }
        if (words.size() == 2 && words[1] == word(Right::read)) token.right = Right::read;
        tokens.push_back(std::move(token));
    }
    return tokens;
}

Result<std::vector<Token>> read_tokens(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    if (in) text << in.rdbuf();
    if (!in) return fail(Errc::config, path + " can't be read or is empty");
    auto tokens = parse_tokens(text.str());
    if (!tokens) return fail(Errc::config, path + ": " + tokens.error().detail);
    if (tokens->empty()) return fail(Errc::config, path + " can't be read or is empty");
    return tokens;
}

} // namespace danelaw::config
