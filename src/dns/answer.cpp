// What do the octets of a record say? Each decoder takes one RDATA, uncompressed, and refuses what does not fit
// exactly: a malformed record makes the lookup a failure (DANE-004). RFC 1035 3.3, RFC 3596, RFC 6698 2.1, RFC 7505.
// Pure.
#include "danelaw/dns/answer.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::dns {
namespace {

std::uint8_t octet(std::string_view s, std::size_t at) {
    return static_cast<std::uint8_t>(s[at]);
}

// "192.0.2.7." as an MX target is an operator's error: it reads as an address but names nothing (DANE-031, RFC
// 5321 5.1).
bool last_label_is_a_number(const Name& name) {
    const std::string& text = name.text();
    const auto last = text.substr(text.rfind('.') == std::string::npos ? 0 : text.rfind('.') + 1);
    return std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

std::string_view word(Status s) {
    switch (s) {
    case Status::secure: return "secure";
    case Status::insecure: return "insecure";
    case Status::bogus: return "bogus";
    case Status::error: return "error";
    }
    return "error";
}

std::string Tlsa::text() const {
    return std::to_string(usage) + " " + std::to_string(selector) + " " + std::to_string(matching) + " " + hex(data);
}

std::optional<Mx> parse_mx(std::string_view rdata) {
    if (rdata.size() < 3) return std::nullopt;
    auto exchange = Name::from_wire(rdata.substr(2));
    if (!exchange) return std::nullopt;
    Mx mx;
    mx.preference = static_cast<std::uint16_t>(octet(rdata, 0) << 8 | octet(rdata, 1));
    mx.exchange = std::move(*exchange);
    mx.valid = mx.exchange.empty() || (mx.exchange.is_host() && !last_label_is_a_number(mx.exchange));
    return mx;
}

// Empty association data is well-formed for the DNS, and unusable (DANE-062): not a failed lookup.
std::optional<Tlsa> parse_tlsa(std::string_view rdata) {
    if (rdata.size() < 3) return std::nullopt;
    Tlsa tlsa;
    tlsa.usage = octet(rdata, 0);
    tlsa.selector = octet(rdata, 1);
    tlsa.matching = octet(rdata, 2);
    tlsa.data = rdata.substr(3);
    return tlsa;
}

std::optional<std::string> parse_txt(std::string_view rdata) {
    if (rdata.empty()) return std::nullopt;
    std::string joined;
    std::size_t at = 0;
    while (at < rdata.size()) {
        const std::size_t length = octet(rdata, at++);
        if (rdata.size() - at < length) return std::nullopt;
        joined += rdata.substr(at, length);
        at += length;
    }
    return joined;
}

std::optional<IpAddress> parse_a(std::string_view rdata) {
    if (rdata.size() != 4) return std::nullopt;
    return IpAddress::from_v4(reinterpret_cast<const std::uint8_t*>(rdata.data()));
}

std::optional<IpAddress> parse_aaaa(std::string_view rdata) {
    if (rdata.size() != 16) return std::nullopt;
    return IpAddress::from_v6(reinterpret_cast<const std::uint8_t*>(rdata.data()));
}

} // namespace danelaw::dns
