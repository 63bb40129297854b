// Quoted-printable and base64 in lines: see the header.

#include "danelaw/message/transfer_encoding.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <utility>

namespace danelaw::message {

namespace {
constexpr std::size_t qp_line = 75; // RFC 2045 6.7 (5): 76 with the soft break's "="
} // namespace

void QuotedPrintable::feed(std::string_view piece, std::string& out) {
    for (const char c : piece) {
        if (held_.ends_with('\r')) {
            const bool end = c == '\n';
            if (end) held_.pop_back();
            for (const char h : std::exchange(held_, {})) {
                if (end || h == '\r')
                    octet(h, out);
                else
                    token(std::string_view(&h, 1), out);
            }
            if (end) {
                out += "\r\n";
                column_ = 0;
                continue;
            }
        } else if (!held_.empty() && c != '\r') {
            token(std::exchange(held_, {}), out);
        }
        if (c == '\r' || c == ' ' || c == '\t')
            held_ += c;
        else if (c > 32 && c < 127 && c != '=')
            token(std::string_view(&c, 1), out);
        else
            octet(c, out);
    }
}

void QuotedPrintable::finish(std::string& out) {
    for (const char c : std::exchange(held_, {})) octet(c, out);
}

void QuotedPrintable::octet(char c, std::string& out) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto u = static_cast<unsigned char>(c);
    const char text[3] = {'=', digits[u >> 4], digits[u & 15]};
    token(std::string_view(text, 3), out);
}

void QuotedPrintable::token(std::string_view text, std::string& out) {
    if (column_ + text.size() > qp_line) {
        out += "=\r\n";
        column_ = 0;
    }
    out += text;
    column_ += text.size();
}

std::string quoted_printable(std::string_view text) {
    std::string out;
    QuotedPrintable encoder;
    encoder.feed(text, out);
    encoder.finish(out);
    return out;
}

std::string base64_lines(std::string_view octets) {
    const std::string all = base64(octets);
    std::string out;
    for (std::size_t i = 0; i < all.size(); i += 76) out += all.substr(i, 76) + "\r\n";
    return out;
}

} // namespace danelaw::message
