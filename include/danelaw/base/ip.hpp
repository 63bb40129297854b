// IP addresses and prefixes as values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace danelaw {

struct IpAddress {
    bool v6 = false;
    std::array<std::uint8_t, 16> octets{}; // IPv4 uses the first four

    auto operator<=>(const IpAddress&) const = default;
    bool operator==(const IpAddress&) const = default;

    std::string text() const; // RFC 5952 form
    bool is_loopback() const;
    bool is_link_local() const;
    bool is_unspecified() const;
    // "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1" (folded to IPv4, SS-092); a scope id is dropped.
    static std::optional<IpAddress> parse(std::string_view text);
    static IpAddress from_v4(const std::uint8_t* four);
    static IpAddress from_v6(const std::uint8_t* sixteen); // folds IPv4-mapped
};

struct IpPrefix {
    IpAddress base;
    unsigned length = 0;

    bool contains(const IpAddress& a) const;
    std::string text() const;
    // "10.0.0.0/8", "::1/128", or a bare address. Host bits must be zero.
    static std::optional<IpPrefix> parse(std::string_view text);
};

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    auto operator<=>(const Endpoint&) const = default;
    bool operator==(const Endpoint&) const = default;
    std::string text() const; // "192.0.2.1:25", "[2001:db8::1]:25"
    // What text() writes: brackets around IPv6 and around nothing else.
    static std::optional<Endpoint> parse(std::string_view text);
};

} // namespace danelaw
