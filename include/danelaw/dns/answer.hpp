// What a DNS lookup ended in. "Don't know" is a status of its own: a lookup that failed can't be mistaken for one
// that securely found nothing (DANE-002, DANE-004). Pure values.
#pragma once

#include "danelaw/base/ip.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/dns/name.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::dns {

enum class Status {
    secure,   // validated down from a trust anchor: data, or a proven absence when there are no records
    insecure, // validly below an unsigned delegation or no anchor: data, or an unproven absence
    bogus,    // validation failed
    error,    // SERVFAIL, REFUSED, NOTIMP, FORMERR, time-out, malformed, loop: no trustworthy answer
};
std::string_view word(Status s);

enum class Absence { none, nodata, nxdomain }; // why there are no records; none when there are

template <class T> struct Answer {
    Status status = Status::error; // fail closed: a default-made answer is a failure
    Absence absence = Absence::none;
    std::vector<T> records; // empty unless secure or insecure
    Name canonical;         // last name of the alias chain; the name asked when there was no alias
    bool aliased = false;   // a CNAME or DNAME was followed
    Seconds ttl{0};         // the chain's least; also of denials
    std::string why;        // for people, when bogus or error; escaped

    bool failed() const { return status == Status::bogus || status == Status::error; }
    bool answered() const { return !failed(); }
    bool absent() const { return answered() && records.empty(); }
};

struct Mx {
    std::uint16_t preference = 0;
    Name exchange;     // the root for a null MX (RFC 7505)
    bool valid = true; // false: not a host name (DANE-031)
    bool operator==(const Mx&) const = default;
};

// TLSA RDATA as received; whether it counts is dane/tlsa.hpp's to say.
struct Tlsa {
    std::uint8_t usage = 0;
    std::uint8_t selector = 0;
    std::uint8_t matching = 0;
    std::string data; // octets
    auto operator<=>(const Tlsa&) const = default;
    bool operator==(const Tlsa&) const = default;
    std::string text() const; // "3 1 1 0a1b…"
};

// RDATA decoders. An RDATA that does not fit makes the lookup a failure (malformed).
std::optional<Mx> parse_mx(std::string_view rdata);
std::optional<Tlsa> parse_tlsa(std::string_view rdata);
std::optional<std::string> parse_txt(std::string_view rdata); // strings joined without blank
std::optional<IpAddress> parse_a(std::string_view rdata);
std::optional<IpAddress> parse_aaaa(std::string_view rdata);

} // namespace danelaw::dns
