#include "danelaw/smtp/xtext.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::smtp {

std::string xtext(std::string_view octets) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(octets.size());
    for (char c : octets) {
        auto u = static_cast<unsigned char>(c);
        if (u > 32 && u < 127 && c != '+' && c != '=') {
            out += c;
            continue;
        }
        out += '+';
        out += digits[u >> 4];
        out += digits[u & 15];
    }
    return out;
}

std::optional<std::string> from_xtext(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto u = static_cast<unsigned char>(text[i]);
        if (u <= 32 || u >= 127 || text[i] == '=') return std::nullopt;
        if (text[i] != '+') {
            out += text[i];
            continue;
        }
        if (i + 2 >= text.size() || text[i + 1] == ' ' || text[i + 2] == ' ') return std::nullopt;
        auto octet = unhex(text.substr(i + 1, 2));
        if (!octet || octet->size() != 1) return std::nullopt;
        out += *octet;
        i += 2;
    }
    return out;
}

} // namespace danelaw::smtp
