// From a lane to its next hop and rules: the first matching entry of `policies` over tls:.
#include "danelaw/policy/destination.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/smtp/address.hpp"

#include <algorithm>

namespace danelaw::policy {

namespace {

std::unexpected<Error> wrong(std::string what) {
    return fail(Errc::config, std::move(what));
}

Result<std::uint16_t> port_number(std::string_view text) {
    const auto number = parse_number(text);
    if (!number || *number == 0 || *number > 65535) return wrong("'" + printable(text, 32) + "' is no port number");
    return static_cast<std::uint16_t>(*number);
}

Result<dns::Name> host_name(std::string_view text) {
    auto name = dns::Name::from(text);
    if (!name || name->empty() || !name->is_host()) return wrong("'" + printable(text, 64) + "' is no host name");
    return std::move(*name);
}

// What stands in brackets is dialled without an MX lookup: an address or a host (DANE-032).
Result<dane::NextHop> bracketed(std::string_view text, std::uint16_t port) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return wrong("']' is missing");
    const auto inside = text.substr(1, end - 1), rest = text.substr(end + 1);
    dane::NextHop hop;
    hop.port = port;
    hop.configured = true;
    if (!rest.empty()) {
        if (rest.front() != ':') return wrong("after ']' only :port may follow");
        const auto number = port_number(rest.substr(1));
        if (!number) return fail(number.error());
        hop.port = *number;
    }
    hop.address = IpAddress::parse(istarts_with(inside, "IPv6:") ? inside.substr(5) : inside);
    hop.kind = hop.address ? dane::NextHop::Kind::literal : dane::NextHop::Kind::host;
    if (hop.address) return hop;
    auto name = host_name(inside);
    if (!name) return fail(name.error());
    hop.name = std::move(*name);
    return hop;
}

std::optional<dane::NextHop> hop_of_lane(std::string_view lane, std::uint16_t port) {
    dane::NextHop hop;
    hop.port = port;
    if (lane.starts_with('[')) { // SC-010: IPv4 and IPv6 only; D-28
        hop.kind = dane::NextHop::Kind::literal;
        const bool tagged = lane.ends_with(']') && istarts_with(lane.substr(1), "IPv6:");
        hop.address = tagged ? IpAddress::parse(lane.substr(6, lane.size() - 7)) : smtp::literal_of_lane(lane);
        if (!hop.address) return std::nullopt;
        return hop;
    }
    auto name = dns::Name::from(lane);
    if (!name || name->empty()) return std::nullopt;
    hop.name = std::move(*name);
    return hop;
}

template <class T> void override_with(T& value, const std::optional<T>& set) {
    if (set) value = *set;
}

void apply(Destination& to, const PolicyEntry& entry, std::uint16_t port) {
    override_with(to.rules.policy, entry.tls);
    override_with(to.rules.insecure_mx, entry.insecure_mx);
    override_with(to.rules.on_failure, entry.on_failure);
    override_with(to.rules.min_protocol, entry.min_protocol);
    override_with(to.rules.ca_file, entry.ca_file);
    override_with(to.rules.mta_sts, entry.mta_sts);
    to.explicit_tls = entry.tls.has_value();
    to.hold = entry.hold;
    to.note = entry.note;
    if (entry.next_hop.empty()) return;
    auto hop = next_hop(entry.next_hop, port);
    if (hop) {
        to.hop = std::move(*hop);
        to.halt.reset();
        return;
    }
    // The configuration's check refuses such a file; should one get here, the mail waits and goes nowhere else.
    to.halt = dane::Halt{Verdict::deferred, Reason::no_usable_host, "next_hop: " + hop.error().detail, "4.3.5"};
}

} // namespace

Result<dane::NextHop> next_hop(std::string_view text, std::uint16_t port) {
    if (text.starts_with('[')) return bracketed(text, port);
    dane::NextHop hop;
    hop.port = port;
    hop.configured = true;
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
        if (text.find(':', colon + 1) != std::string_view::npos) return wrong("an address must stand in brackets");
        const auto number = port_number(text.substr(colon + 1));
        if (!number) return fail(number.error());
        hop.port = *number;
        text = text.substr(0, colon);
    }
    if (IpAddress::parse(text)) return wrong("an address must stand in brackets");
    auto name = host_name(text);
    if (!name) return fail(name.error());
    hop.name = std::move(*name);
    return hop;
}

bool matches(const PolicyEntry& entry, std::string_view lane) {
    return std::ranges::any_of(entry.match, [&](std::string_view one) {
        if (one == "*" || one == lane) return true;
        // A leading dot: below it, not the domain itself. A literal is below nothing.
        return one.starts_with('.') && !lane.starts_with('[') && lane.size() > one.size() && lane.ends_with(one);
    });
}

Destination destination(std::string_view lane, const std::vector<PolicyEntry>& policies, const dane::TlsRules& tls,
                        std::uint16_t port, std::chrono::year_month_day today) {
    Destination out;
    out.rules = tls;
    if (auto hop = hop_of_lane(lane, port))
        out.hop = std::move(*hop);
    else
        out.halt = dane::Halt{Verdict::bounced, Reason::domain_not_found, "'" + printable(lane, 100) + "' is no domain",
                              "5.1.2"};
    for (std::size_t i = 0; i < policies.size(); ++i) {
        if (policies[i].until && *policies[i].until < today) continue; // D-27: ended
        if (!matches(policies[i], lane)) continue;
        out.entry = i;
        apply(out, policies[i], port);
        break; // first match wins
    }
    return out;
}

dane::TlsRules rules_for(dane::TlsRules rules, Wish wish) {
    if (wish == Wish::none || rules.policy == TlsPolicy::none) return rules;
    rules.mta_sts = false;
    if (rules.policy == TlsPolicy::dane || wish == Wish::tls_report) rules.policy = TlsPolicy::may;
    return rules;
}

} // namespace danelaw::policy
