// Which trust anchors are there, and are they at work? DANE-010, H34, H36, H37.
#include "danelaw/resolver/resolver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace danelaw::resolver {
namespace {

constexpr std::size_t largest_file = 1 << 20;

Result<std::string> read_whole(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(Errc::config, "trust anchors: " + path + ": " + std::strerror(errno));
    std::ostringstream text;
    text << in.rdbuf();
    if (in.bad() || text.view().size() > largest_file)
        return fail(Errc::config, "trust anchors: " + path + ": not readable");
    return text.str();
}

// A zone's anchors: is there one that can be used? The others do no harm beside it.
bool usable_for(const std::vector<dns::TrustAnchor>& anchors, const dns::Name& zone) {
    return std::ranges::any_of(anchors, [&](const auto& a) { return a.zone == zone && a.unusable.empty(); });
}

std::string zone_text(const dns::Name& zone) {
    return zone.empty() ? "the root" : zone.text();
}

Health unhealthy(Trust trust, std::string text) {
    Health health;
    health.trust = trust;
    health.text = std::move(text);
    return health;
}

// libunbound's words for a signature whose time is over or is yet to come: for a signed zone that is looked after, a
// wrong clock is likelier than either (H37).
bool about_time(const std::string& why) {
    return why.contains("expired") || why.contains("inception");
}

std::string likely_cause(const std::string& why, const Options& options) {
    if (about_time(why))
        return "by this machine's clock (" + rfc3339(SystemClock().now()).substr(0, 16) +
               " UTC) its signatures are out of date, so that the clock may be wrong";
    const std::string cause = "the anchor may be outdated, or the clock wrong";
    if (options.forwarders.empty()) return cause;
    return "a forwarder may remove DNSSEC data (" + options.forwarders.front() + "), or " + cause;
}

Health judge(const dns::Name& zone, const dns::Answer<dns::Mx>& answer, const Options& options) {
    switch (answer.status) {
    case dns::Status::secure: {
        Health health;
        health.ok = true;
        health.trust = Trust::proven;
        health.text = "DNSSEC validates from the trust anchor of " + zone_text(zone);
        return health;
    }
    case dns::Status::insecure:
        return unhealthy(Trust::insecure, "the trust anchor of " + zone_text(zone) +
                                              " is not in effect: its zone comes out insecure, so DANE would be off");
    case dns::Status::bogus: {
        return unhealthy(Trust::bogus, "DNSSEC fails at the trust anchor of " + zone_text(zone) + ": " +
                                           likely_cause(answer.why, options) + ". " + answer.why);
    }
    case dns::Status::error: break;
    }
    return unhealthy(Trust::unreachable, "the servers of " + zone_text(zone) + " do not answer: " + answer.why);
}

} // namespace

std::string_view word(Trust t) {
    switch (t) {
    case Trust::proven: return "proven";
    case Trust::no_anchor: return "no-anchor";
    case Trust::insecure: return "insecure";
    case Trust::bogus: return "bogus";
    case Trust::unreachable: return "unreachable";
    }
    return "no-anchor";
}

Result<std::vector<dns::TrustAnchor>> load_trust_anchors(const Options& options) {
    std::vector<dns::TrustAnchor> anchors;
    if (!options.trust_anchors_file.empty()) {
        auto text = read_whole(options.trust_anchors_file);
        if (!text) return fail(std::move(text.error()));
        auto parsed = dns::parse_trust_anchor_file(*text);
        if (!parsed) return fail(Errc::config, options.trust_anchors_file + ": " + parsed.error().detail);
        if (parsed->empty()) return fail(Errc::config, options.trust_anchors_file + ": holds no trust anchor");
        anchors = std::move(*parsed);
    }
    for (const auto& line : options.trust_anchors) {
        auto anchor = dns::parse_trust_anchor(line);
        if (!anchor) return fail(Errc::config, "trust_anchors: " + anchor.error().detail);
        anchors.push_back(std::move(*anchor));
    }
    return anchors;
}

Task<Health> prove_trust(Resolver& resolver, Options options) {
    const auto anchors = load_trust_anchors(options);
    if (!anchors) co_return unhealthy(Trust::no_anchor, anchors.error().detail);
    if (anchors->empty()) co_return unhealthy(Trust::no_anchor, "no trust anchor is configured: nothing can be secure");
    Health last;
    std::vector<dns::Name> seen;
    for (const auto& anchor : *anchors) {
        if (std::ranges::find(seen, anchor.zone) != seen.end()) continue;
        seen.push_back(anchor.zone);
        if (!usable_for(*anchors, anchor.zone)) {
            co_return unhealthy(Trust::no_anchor,
                                "the trust anchor of " + zone_text(anchor.zone) + " can't be used: " + anchor.unusable);
        }
        // Any type does: data, or a proven absence, are equally secure.
        const auto answer = co_await resolver.mx(anchor.zone);
        last = judge(anchor.zone, answer, options);
        if (!last.ok) break;
    }
    co_return last;
}

} // namespace danelaw::resolver
