// Text helpers for protocol text: ASCII rules only, never the locale's.
#include "danelaw/base/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace danelaw {
namespace {

char lower_char(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
char upper_char(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Length of the well-formed UTF-8 sequence at the start of s, or 0 (RFC 3629 4).
std::size_t utf8_length(std::string_view s) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const auto tail = [&](std::size_t i) { return i < s.size() && (at(i) & 0xc0) == 0x80; };
    const unsigned char first = at(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!tail(1) || !tail(2)) return 0;
        if (first == 0xe0 && at(1) < 0xa0) return 0; // overlong
        if (first == 0xed && at(1) > 0x9f) return 0; // surrogate
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        if (first == 0xf0 && at(1) < 0x90) return 0;
        if (first == 0xf4 && at(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
        }
    }
    return row[b.size()];
}

} // namespace

std::string lower(std::string_view s) {
    std::string out{s};
    std::transform(out.begin(), out.end(), out.begin(), lower_char);
    return out;
}

std::string upper(std::string_view s) {
    std::string out{s};
    std::transform(out.begin(), out.end(), out.begin(), upper_char);
    return out;
}

bool iequals(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower_char(x) == lower_char(y); });
}

bool istarts_with(std::string_view s, std::string_view prefix) {
    return s.size() >= prefix.size() && iequals(s.substr(0, prefix.size()), prefix);
}

std::string_view trim(std::string_view s) {
    const auto blank = [](char c) { return c == ' ' || c == '\t'; };
    while (!s.empty() && blank(s.front())) s.remove_prefix(1);
    while (!s.empty() && blank(s.back())) s.remove_suffix(1);
    return s;
}

std::vector<std::string> split(std::string_view s, char separator) {
    std::vector<std::string> out;
    std::size_t at = 0;
    for (;;) {
        const auto next = s.find(separator, at);
        out.emplace_back(s.substr(at, next == std::string_view::npos ? next : next - at));
        if (next == std::string_view::npos) return out;
        at = next + 1;
    }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (const auto& part : parts) {
        if (&part != &parts.front()) out += separator;
        out += part;
    }
    return out;
}

bool is_ascii(std::string_view s) {
    return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_utf8(std::string_view s) {
    while (!s.empty()) {
        const auto n = utf8_length(s);
        if (n == 0) return false;
        s.remove_prefix(n);
    }
    return true;
}

std::optional<std::uint64_t> parse_number(std::string_view s) {
    if (s.empty()) return std::nullopt;
    std::uint64_t out = 0;
    for (const char c : s) {
        if (c < '0' || c > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (out > (UINT64_MAX - digit) / 10) return std::nullopt;
        out = out * 10 + digit;
    }
    return out;
}

std::string hex(std::string_view bytes) {
    constexpr std::string_view symbols = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        out += symbols[static_cast<unsigned char>(c) >> 4];
        out += symbols[static_cast<unsigned char>(c) & 15];
    }
    return out;
}

std::optional<std::string> unhex(std::string_view text) {
    std::string out;
    int half = -1;
    for (const char c : text) {
        if (half < 0 && (c == ' ' || c == '\t')) continue;
        const int v = hex_value(c);
        if (v < 0) return std::nullopt;
        if (half < 0) {
            half = v;
        } else {
            out += static_cast<char>(half * 16 + v);
            half = -1;
        }
    }
    if (half >= 0) return std::nullopt;
    return out;
}

std::string base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto octet = [&](std::size_t k) -> unsigned {
            return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u;
        };
        const unsigned v = octet(0) << 16 | octet(1) << 8 | octet(2);
        out += base64_alphabet[v >> 18];
        out += base64_alphabet[v >> 12 & 63];
        out += i + 1 < bytes.size() ? base64_alphabet[v >> 6 & 63] : '=';
        out += i + 2 < bytes.size() ? base64_alphabet[v & 63] : '=';
    }
    return out;
}

std::optional<std::string> unbase64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += 4) {
        unsigned v = 0;
        std::size_t pad = 0;
        for (std::size_t k = 0; k < 4; ++k) {
            const char c = text[i + k];
            if (c == '=' && i + 4 == text.size() && k >= 2) {
                ++pad;
                v <<= 6;
                continue;
            }
            const auto n = base64_alphabet.find(c);
            if (pad > 0 || n == std::string_view::npos) return std::nullopt;
            v = v << 6 | static_cast<unsigned>(n);
        }
        out += static_cast<char>(v >> 16);
        if (pad < 2) out += static_cast<char>(v >> 8 & 255);
        if (pad < 1) out += static_cast<char>(v & 255);
    }
    return out;
}

std::string printable(std::string_view s, std::size_t most) {
    std::string out;
    while (!s.empty()) {
        if (out.size() >= most) return out + "...";
        const auto n = utf8_length(s);
        const auto first = static_cast<unsigned char>(s[0]);
        // C1 controls (U+0080…U+009F) steer terminals just as C0 ones do.
        const bool c1 = n == 2 && first == 0xc2 && static_cast<unsigned char>(s[1]) < 0xa0;
        if (n == 0 || (n == 1 && (first < 0x20 || first == 0x7f)) || c1) {
            out += fmt::format("\\x{:02x}", first);
            s.remove_prefix(1);
        } else {
            out += s.substr(0, n);
            s.remove_prefix(n);
        }
    }
    return out;
}

std::string size_text(Bytes n) {
    constexpr std::array names{"TiB", "GiB", "MiB", "KiB"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Bytes unit = Bytes{1} << (10 * (names.size() - i));
        if (n >= unit && n % unit == 0) return fmt::format("{}{}", n / unit, names[i]);
    }
    return fmt::format("{}", n);
}

std::optional<Bytes> parse_size(std::string_view s) {
    s = trim(s);
    std::size_t n = 0;
    while (n < s.size() && s[n] >= '0' && s[n] <= '9') ++n;
    const auto number = parse_number(s.substr(0, n));
    if (!number) return std::nullopt;
    const auto unit = trim(s.substr(n));
    Bytes factor = 1;
    if (unit == "KiB")
        factor = Bytes{1} << 10;
    else if (unit == "MiB")
        factor = Bytes{1} << 20;
    else if (unit == "GiB")
        factor = Bytes{1} << 30;
    else if (unit == "TiB")
        factor = Bytes{1} << 40;
    else if (!unit.empty() && unit != "B")
        return std::nullopt;
    if (*number > UINT64_MAX / factor) return std::nullopt;
    return *number * factor;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
    std::string best;
    std::size_t distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const auto& candidate : known) {
        const auto d = edit_distance(lower(word), lower(candidate));
        if (d < distance) {
            distance = d;
            best = candidate;
        }
    }
    return best;
}

} // namespace danelaw
