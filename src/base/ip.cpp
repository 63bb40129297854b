// IP addresses and prefixes as text and octets (RFC 5952, SS-092).
#include "danelaw/base/ip.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>

namespace danelaw {

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN] = {};
    inet_ntop(v6 ? AF_INET6 : AF_INET, octets.data(), buffer, sizeof buffer);
    return buffer;
}

bool IpAddress::is_loopback() const {
    if (!v6) return octets[0] == 127;
    return std::all_of(octets.begin(), octets.end() - 1, [](auto o) { return o == 0; }) && octets[15] == 1;
}

bool IpAddress::is_link_local() const {
    return v6 ? octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80 : octets[0] == 169 && octets[1] == 254;
}

bool IpAddress::is_unspecified() const {
    return std::all_of(octets.begin(), octets.end(), [](auto o) { return o == 0; });
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return std::nullopt; // inet_pton() would stop there
    const std::string copy{text.substr(0, text.find('%'))};
    std::uint8_t raw[16];
    if (inet_pton(AF_INET, copy.c_str(), raw) == 1 && copy == text) return from_v4(raw);
    if (inet_pton(AF_INET6, copy.c_str(), raw) == 1) return from_v6(raw);
    return std::nullopt;
}

IpAddress IpAddress::from_v4(const std::uint8_t* four) {
    IpAddress out;
    std::copy_n(four, 4, out.octets.begin());
    return out;
}

IpAddress IpAddress::from_v6(const std::uint8_t* sixteen) {
    constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(mapped.begin(), mapped.end(), sixteen)) return from_v4(sixteen + 12);
    IpAddress out;
    out.v6 = true;
    std::copy_n(sixteen, 16, out.octets.begin());
    return out;
}

bool IpPrefix::contains(const IpAddress& a) const {
    if (a.v6 != base.v6) return false;
    for (unsigned bit = 0; bit < length; bit += 8) {
        const unsigned in_octet = std::min(8u, length - bit);
        const auto mask = static_cast<std::uint8_t>(0xff00u >> in_octet);
        if ((a.octets[bit / 8] ^ base.octets[bit / 8]) & mask) return false;
    }
    return true;
}

std::string IpPrefix::text() const {
    return fmt::format("{}/{}", base.text(), length);
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address || text.find('%') != std::string_view::npos) return std::nullopt;
    IpPrefix out{*address, address->v6 ? 128u : 32u};
    if (slash != std::string_view::npos) {
        const auto n = parse_number(text.substr(slash + 1));
        if (!n || *n > out.length) return std::nullopt;
        out.length = static_cast<unsigned>(*n);
    }
    // host bits set would make the reader expect another range than the one that counts
    for (unsigned bit = out.length; bit < (out.base.v6 ? 128u : 32u); ++bit)
        if (out.base.octets[bit / 8] >> (7 - bit % 8) & 1) return std::nullopt;
    return out;
}

std::string Endpoint::text() const {
    return address.v6 ? fmt::format("[{}]:{}", address.text(), port) : fmt::format("{}:{}", address.text(), port);
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    const auto port = parse_number(text.substr(colon + 1));
    if (!address || !port || *port > 65535 || host.contains(':') != bracketed) return std::nullopt;
    return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

} // namespace danelaw
