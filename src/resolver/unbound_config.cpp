// How is libunbound set up, and why? Its defaults suit a single program's few lookups; these suit a relay that must
// find out the truth, within a time limit, again and again. One text, given to the library before it starts: what comes
// later it refuses, or ignores (a trust anchor ignored makes everything insecure).
#include "unbound_config_priv.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <array>

namespace danelaw::resolver {
namespace {

// Answered by the library itself unless told otherwise (RFC 6761, RFC 7686, RFC 8375). localhost stays ours.
constexpr std::array special_zones = {"test", "invalid", "onion", "home.arpa"};

std::unexpected<Error> refuse(std::string why) {
    return fail(Errc::config, std::move(why));
}

// "192.0.2.53", "192.0.2.53@5353", "2001:db8::53@5353", "192.0.2.53:5353", "[2001:db8::53]:5353"
Result<std::string> server_text(const std::string& text) {
    std::string host = text, port = "53";
    const auto at = text.find('@');
    if (at != std::string::npos) {
        host = text.substr(0, at);
        port = text.substr(at + 1);
    } else if (text.starts_with('[') && text.find("]:") != std::string::npos) {
        host = text.substr(1, text.find("]:") - 1);
        port = text.substr(text.find("]:") + 2);
    } else if (std::ranges::count(text, ':') == 1) {
        host = text.substr(0, text.find(':'));
        port = text.substr(text.find(':') + 1);
    }
    const auto address = IpAddress::parse(host);
    const auto number = parse_number(port);
    if (!address || !number || *number == 0 || *number > 65535) {
        return refuse("'" + printable(text, 80) + "' is not the address of a DNS server (such as 192.0.2.53@5353)");
    }
    return address->text() + "@" + std::to_string(*number);
}

struct Text {
    std::string all;
    void line(std::string_view key, std::string_view value) {
        all += "  ";
        all += key;
        all += ": ";
        all += value;
        all += '\n';
    }
    void quoted(std::string_view key, std::string_view value) { line(key, "\"" + std::string(value) + "\""); }
};

Result<void> servers(Text& out, std::string_view key, const std::vector<std::string>& addresses) {
    for (const auto& address : addresses) {
        auto server = server_text(address);
        if (!server) return fail(std::move(server.error()));
        out.line(key, *server);
    }
    return {};
}

void validation(Text& out, const std::vector<dns::TrustAnchor>& anchors) {
    out.quoted("module-config", "validator iterator");
    for (const auto& anchor : anchors) out.quoted("trust-anchor", anchor.text);
    out.line("trust-anchor-signaling", "no");
    out.line("val-log-level", "2");  // else bogus answers come without their reason
    out.line("val-bogus-ttl", "10"); // a healed zone is seen at the next attempt (H13, H37)
    out.line("harden-dnssec-stripped", "yes");
    out.line("harden-algo-downgrade", "no"); // one valid path is enough in a rollover (H31, RFC 4035 5.2)
    // Servers answer NXDOMAIN for the empty non-terminal _tcp.mx of an existing TLSA name: neither ask for it on the
    // way down, nor conclude anything from it (H23). Lying NSEC records stay with the name they were asked for (H24).
    out.line("qname-minimisation", "no");
    out.line("harden-below-nxdomain", "no");
    out.line("aggressive-nsec", "no");
}

void freshness(Text& out, Patience patience) {
    out.line("serve-expired", "no"); // DANE-012
    out.line("prefetch", "no");
    out.line("cache-min-ttl", "0");
    out.line("cache-max-negative-ttl", "600"); // a denial ends when a domain adds its TLSA records (DANE-013)
    // What is remembered of a dead server is forgotten within the shortest retry time, and tried meanwhile (H13).
    out.line("infra-host-ttl", "30");
    out.line("infra-keep-probing", "yes");
    if (patience == Patience::quick_answers)
        out.line("infra-cache-max-rtt", "4000");
    else
        out.line("infra-cache-min-rtt", "6000"); // it is not asked again before
}

void capacity(Text& out, const Options& options, Machine machine, Patience patience) {
    const auto cache = patience == Patience::quick_answers ? options.cache_size : options.cache_size / 8;
    const std::uint64_t range = std::clamp<std::uint64_t>(machine.descriptors / 4, 64, 4096);
    out.line("outgoing-range", std::to_string(range)); // the library's own is 16
    out.line("num-queries-per-thread", "8192");        // many dead zones must not push a living one out (H39)
    out.line("outgoing-num-tcp", "100");
    out.line("rrset-cache-size", std::to_string(cache / 3 * 2));
    out.line("msg-cache-size", std::to_string(cache / 3));
    out.line("infra-cache-numhosts", "50000");
    out.line("do-ip6", machine.ipv6 && options.ipv6 ? "yes" : "no"); // H33: no route, no attempts
}

bool related(const dns::Name& a, const dns::Name& b) {
    return a.ends_with(b) || b.ends_with(a);
}

// A configured server is the operator's word on its zone, special use or not.
Result<void> overrides(Text& out, const Options& options) {
    std::vector<dns::Name> ours;
    if (!options.forwarders.empty()) ours.emplace_back();
    for (const auto& stub : options.stub_zones) {
        auto zone = dns::Name::from(stub.zone);
        if (!zone) return refuse("stub zone '" + printable(stub.zone, 80) + "' is not a domain name");
        if (stub.servers.empty()) return refuse("stub zone " + stub.zone + " has no servers");
        ours.push_back(std::move(*zone));
    }
    if (!ours.empty()) out.line("do-not-query-localhost", "no"); // they, and the servers they delegate to, may be here
    for (const char* special : special_zones) {
        const auto zone = dns::Name::from(special).value();
        const auto concerns = [&](const dns::Name& own) { return related(own, zone); };
        if (std::ranges::any_of(ours, concerns)) out.line("local-zone", "\"" + zone.text() + ".\" nodefault");
    }
    return {};
}

Result<void> zones(Text& out, const Options& options) {
    for (const auto& stub : options.stub_zones) {
        out.all += "stub-zone:\n";
        out.quoted("name", dns::Name::from(stub.zone).value_or(dns::Name{}).text() + ".");
        if (auto added = servers(out, "stub-addr", stub.servers); !added) return added;
    }
    if (options.forwarders.empty()) return {};
    out.all += "forward-zone:\n";
    out.quoted("name", ".");
    return servers(out, "forward-addr", options.forwarders);
}

} // namespace

Result<std::string> unbound_config(const Options& options, const std::vector<dns::TrustAnchor>& anchors,
                                   Machine machine, Patience patience) {
    Text out;
    out.all = "server:\n";
    out.line("verbosity", "0");
    out.line("use-syslog", "no");
    validation(out, anchors);
    freshness(out, patience);
    capacity(out, options, machine, patience);
    if (auto done = overrides(out, options); !done) return fail(std::move(done.error()));
    if (auto done = zones(out, options); !done) return fail(std::move(done.error()));
    return out.all;
}

} // namespace danelaw::resolver
