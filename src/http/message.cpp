// HTTP messages as values: headers, query parameters, percent encoding.
#include "danelaw/http/message.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::http {

std::optional<std::string_view> find(const std::vector<Header>& headers, std::string_view name) {
    for (const Header& h : headers)
        if (iequals(h.name, name)) return h.value;
    return std::nullopt;
}

std::string_view Request::path() const {
    return std::string_view(target).substr(0, target.find('?'));
}

std::optional<std::string> Request::query(std::string_view name) const {
    const auto mark = target.find('?');
    if (mark == std::string::npos) return std::nullopt;
    for (const std::string& pair : split(std::string_view(target).substr(mark + 1), '&')) {
        const auto equals = pair.find('=');
        if (percent_decode(std::string_view(pair).substr(0, equals)) != name) continue;
        return equals == std::string::npos ? std::string() : percent_decode(std::string_view(pair).substr(equals + 1));
    }
    return std::nullopt;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            plain += ' ';
        } else if (text[i] == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const auto octet = unhex(text.substr(i + 1, 2));
            if (!octet || octet->size() != 1) return std::nullopt;
            plain += *octet;
            i += 2;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

std::string percent_encode(std::string_view text) {
    std::string coded;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~").contains(c);
        if (plain)
            coded += c;
        else
            coded += "%" + upper(hex({&c, 1}));
    }
    return coded;
}

} // namespace danelaw::http
