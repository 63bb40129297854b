#include "danelaw/smtp/server_reply.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::smtp {
namespace {

constexpr std::size_t line_most = 480; // RFC 5321 4.5.3.1.5: 512 with code, status and CRLF

// printable() keeps good UTF-8; a reply is ASCII only.
std::string ascii_only(std::string_view line) {
    std::string safe = printable(line, line_most);
    for (char& c : safe)
        if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    return safe;
}

} // namespace

std::string wire(const ServerReply& reply) {
    std::string out, code = std::to_string(reply.code);
    std::string_view rest = reply.text;
    while (true) {
        auto end = rest.find('\n');
        bool last = end == std::string_view::npos;
        out += code;
        out += last ? ' ' : '-';
        if (!reply.enhanced.empty()) out.append(reply.enhanced) += ' ';
        out += ascii_only(rest.substr(0, end));
        out += "\r\n";
        if (last) return out;
        rest.remove_prefix(end + 1);
    }
}

} // namespace danelaw::smtp
