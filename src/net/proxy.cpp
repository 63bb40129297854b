// Whom does the balancer speak for? PROXY protocol 2.1 (text) and 2.2 (binary).
#include "danelaw/net/proxy.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::net {
namespace {

using State = ProxyParse::State;
using std::string_view_literals::operator""sv;

constexpr auto v1_start = "PROXY "sv;
constexpr std::size_t v1_least = 15; // "PROXY UNKNOWN\r\n"
constexpr std::size_t v1_most = 107; // 2.1
constexpr auto v2_start = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t v2_fixed = 16;

ProxyParse malformed() {
    return {};
}
ProxyParse need(std::size_t octets) {
    ProxyParse parse;
    parse.state = State::need_more;
    parse.need = octets;
    return parse;
}
ProxyParse done(ProxyHeader header) {
    ProxyParse parse;
    parse.state = State::done;
    parse.header = header;
    return parse;
}

bool may_become(std::string_view bytes, std::string_view start) {
    const std::size_t n = std::min(bytes.size(), start.size());
    return bytes.substr(0, n) == start.substr(0, n);
}

std::optional<Endpoint> text_endpoint(const std::string& host, const std::string& port, bool v6) {
    const auto number = parse_number(port);
    const bool leading_zero = port.size() > 1 && port.front() == '0';
    if (!number || *number > 65535 || leading_zero) return std::nullopt;
    if ((host.find(':') != std::string::npos) != v6 || host.find('%') != std::string::npos) return std::nullopt;
    const auto address = IpAddress::parse(host);
    if (!address) return std::nullopt;
    return Endpoint{*address, static_cast<std::uint16_t>(*number)};
}

ProxyParse parse_v1(std::string_view bytes) {
    if (bytes.size() < v1_least) return need(v1_least - bytes.size());
    const auto lf = bytes.find('\n');
    if (lf == std::string_view::npos) {
        const std::size_t missing = bytes.back() == '\r' ? 1 : 2;
        if (bytes.size() + missing > v1_most) return malformed();
        return need(missing);
    }
    if (bytes[lf - 1] != '\r' || lf + 1 != bytes.size()) return malformed();
    const auto line = bytes.substr(0, lf - 1);
    const auto words = split(line, ' ');
    if (words.size() >= 2 && words[1] == "UNKNOWN") return done({}); // what follows it is to be ignored
    if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return malformed();
    const bool v6 = words[1] == "TCP6";
    ProxyHeader header;
    header.source = text_endpoint(words[2], words[4], v6);
    header.destination = text_endpoint(words[3], words[5], v6);
    if (!header.source || !header.destination) return malformed();
    return done(header);
}

std::uint16_t number16(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                                      static_cast<unsigned char>(bytes[at + 1]));
}

IpAddress address(std::string_view bytes, std::size_t at, bool v6) {
    const auto* octets = reinterpret_cast<const std::uint8_t*>(bytes.data() + at);
    return v6 ? IpAddress::from_v6(octets) : IpAddress::from_v4(octets);
}

ProxyParse v2_addresses(std::string_view body, bool v6) {
    const std::size_t width = v6 ? 16 : 4;
    if (body.size() < 2 * width + 4) return malformed();
    ProxyHeader header;
    header.source = Endpoint{address(body, 0, v6), number16(body, 2 * width)};
    header.destination = Endpoint{address(body, width, v6), number16(body, 2 * width + 2)};
    return done(header); // the rest are TLVs, none of which we use
}

ProxyParse parse_v2(std::string_view bytes) {
    if (bytes.size() < v2_fixed) return need(v2_fixed - bytes.size());
    const auto command = static_cast<unsigned char>(bytes[12]);
    const auto family = static_cast<unsigned char>(bytes[13]);
    const std::size_t length = number16(bytes, 14);
    if (command != 0x20 && command != 0x21) return malformed();
    if (length > limits::proxy_body) return malformed();
    if (bytes.size() < v2_fixed + length) return need(v2_fixed + length - bytes.size());
    if (bytes.size() > v2_fixed + length) return malformed();
    if (command == 0x20) return done({}); // LOCAL: the balancer's own health check
    const auto body = bytes.substr(v2_fixed);
    switch (family) {
    case 0x11: return v2_addresses(body, false); // TCP over IPv4
    case 0x21: return v2_addresses(body, true);  // TCP over IPv6
    case 0x00:                                   // unspecified
    case 0x31: return done({});                  // unix stream
    default: return malformed();
    }
}

} // namespace

ProxyParse parse_proxy(std::string_view bytes) {
    if (bytes.empty()) return need(v1_least);
    if (may_become(bytes, v1_start)) return parse_v1(bytes);
    if (may_become(bytes, v2_start)) return bytes.size() < v1_least ? need(v1_least - bytes.size()) : parse_v2(bytes);
    return malformed();
}

Task<Result<ProxyHeader>> read_proxy(Buffered& from, Deadline deadline) {
    std::string bytes;
    while (true) {
        ProxyParse parse = parse_proxy(bytes);
        if (parse.state == State::done) co_return parse.header;
        if (parse.state == State::malformed) break;
        auto more = co_await from.read_some(parse.need, deadline);
        if (!more) co_return fail(std::move(more.error()));
        bytes += *more;
    }
    co_return fail(Errc::parse, "no PROXY protocol header");
}

} // namespace danelaw::net
