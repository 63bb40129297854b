// Gathers a destination's DNS facts as the pure planner asks for them, side by side where they don't depend on each
// other.
#include "danelaw/delivery/router.hpp"

#include "danelaw/net/task_group.hpp"
#include "danelaw/policy/overlay.hpp"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <map>

namespace danelaw::delivery {
namespace {

// Facts are used again for a moment, so that a thousand messages to one domain cost one round of lookups; never beyond
// a TTL and never a failure (DANE-012, DANE-014).
constexpr Seconds longest_use{30};
constexpr std::size_t remembered = 20000;

bool all_answered(const dane::Facts& facts) {
    if (facts.mx && facts.mx->failed()) return false;
    for (const auto& host : facts.hosts) {
        if (host.a.failed() || host.aaaa.failed()) return false;
        if (host.first_alias && (*host.first_alias == dns::Status::bogus || *host.first_alias == dns::Status::error))
            return false;
        for (const auto& lookup : host.tlsa)
            if (lookup.answer.failed()) return false;
    }
    return true;
}

dns::Answer<IpAddress> not_wanted(const dns::Name& name) { // a family that delivery.address_family leaves out
    dns::Answer<IpAddress> out;
    out.status = dns::Status::insecure;
    out.absence = dns::Absence::nodata;
    out.canonical = name;
    out.ttl = longest_use;
    return out;
}

std::chrono::year_month_day utc_day(Time now) {
    return std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(now)};
}

} // namespace

struct Router::Impl {
    struct Kept {
        dane::Facts facts;
        net::Deadline until;
    };

    Impl(resolver::Resolver& r, StsSource* s, const Clock& c, Rng& g, RouterSettings settings_)
        : resolver(r), sts(s), clock(c), rng(g), settings(std::move(settings_)) {}

    // Addresses first, both families together; then, only when they call for it, the alias and TLSA (DANE-040).
    Task<void> look_up(dane::Facts& facts, std::size_t at, const dane::TlsRules& rules) {
        {
            const auto executor = co_await boost::asio::this_coro::executor;
            net::TaskGroup pair(executor, [](const std::string&, const std::string&) {});
            if (settings.use_ipv6)
                pair.spawn("AAAA", fetch_aaaa(facts.hosts[at]));
            else
                facts.hosts[at].aaaa = not_wanted(facts.hosts[at].name);
            if (settings.use_ipv4)
                facts.hosts[at].a = co_await resolver.a(facts.hosts[at].name);
            else
                facts.hosts[at].a = not_wanted(facts.hosts[at].name);
            co_await pair.join();
        }
        auto& host = facts.hosts[at];
        if (dane::needs_alias_check(facts, host, rules)) {
            auto alias = co_await resolver.cname(host.name);
            host.first_alias = alias.status;
            host.first_alias_why = alias.why;
            host.first_alias_ttl = alias.ttl;
        }
        while (auto base = dane::next_tlsa_base(facts, host, rules)) {
            dane::TlsaLookup lookup;
            lookup.base = *base;
            lookup.answer = co_await resolver.tlsa(dns::tlsa_owner(*base, facts.next_hop.port));
            host.tlsa.push_back(std::move(lookup));
        }
    }

    Task<void> fetch_aaaa(dane::HostFacts& host) { host.aaaa = co_await resolver.aaaa(host.name); }

    Task<dane::Facts> gather(const policy::Destination& destination) {
        dane::Facts facts;
        facts.next_hop = destination.hop;
        if (facts.next_hop.kind == dane::NextHop::Kind::mx_lookup) facts.mx = co_await resolver.mx(facts.next_hop.name);
        const auto choice = dane::choose_hosts(facts.next_hop, facts.mx ? &*facts.mx : nullptr, settings.self, rng);
        const auto* chosen = std::get_if<dane::MxChoice>(&choice);
        if (!chosen) co_return facts;
        for (const auto& one : chosen->hosts) {
            dane::HostFacts host;
            host.name = one.name;
            host.preference = one.preference;
            facts.hosts.push_back(std::move(host));
        }
        const auto executor = co_await boost::asio::this_coro::executor;
        net::TaskGroup side_by_side(executor, [](const std::string&, const std::string&) {});
        for (std::size_t n = 1; n < facts.hosts.size(); ++n)
            side_by_side.spawn("host", look_up(facts, n, destination.rules));
        if (!facts.hosts.empty()) co_await look_up(facts, 0, destination.rules);
        co_await side_by_side.join();
        co_return facts;
    }

    // Equals are drawn anew for every attempt, also from facts that were kept (SC-005).
    void shuffle_equals(dane::Facts& facts) {
        auto& hosts = facts.hosts;
        for (std::size_t from = 0; from < hosts.size();) {
            std::size_t to = from;
            while (to < hosts.size() && hosts[to].preference == hosts[from].preference) ++to;
            for (std::size_t n = to - from; n > 1; --n) std::swap(hosts[from + n - 1], hosts[from + rng.below(n)]);
            from = to;
        }
    }

    Task<dane::Facts> facts_for(const std::string& key, const policy::Destination& destination, bool fresh) {
        const auto now = std::chrono::steady_clock::now();
        const auto found = kept.find(key);
        if (!fresh && found != kept.end() && now < found->second.until) {
            auto facts = found->second.facts;
            shuffle_equals(facts);
            co_return facts;
        }
        auto facts = co_await gather(destination);
        kept.erase(key);
        if (all_answered(facts)) {
            const auto ttl = std::min(dane::plan(facts, destination.rules, settings.self).ttl, longest_use);
            if (kept.size() >= remembered) kept.clear();
            if (ttl.count() > 0) kept[key] = Kept{facts, std::chrono::steady_clock::now() + ttl};
        }
        co_return facts;
    }

    resolver::Resolver& resolver;
    StsSource* sts;
    const Clock& clock;
    Rng& rng;
    RouterSettings settings;
    std::map<std::string, Kept> kept;
};

Router::Router(resolver::Resolver& resolver, StsSource* sts, const Clock& clock, Rng& rng, RouterSettings settings)
    : impl_(std::make_unique<Impl>(resolver, sts, clock, rng, std::move(settings))) {}
Router::~Router() = default;

void Router::set_settings(RouterSettings settings) {
    impl_->settings = std::move(settings);
    impl_->kept.clear();
}

Task<Route> Router::route(std::string lane, RouteOptions options) {
    auto& im = *impl_;
    Route out;
    out.destination =
        policy::destination(lane, im.settings.policies, im.settings.tls, im.settings.port, utc_day(im.clock.now()));
    const auto wish = options.tls_report        ? policy::Wish::tls_report
                      : options.tls_required_no ? policy::Wish::tls_required_no
                                                : policy::Wish::none;
    // An operator's `tls:` in policies stands against TLS-Required: No; the general one does not (SC-123, D-25).
    out.destination.rules = policy::rules_for(out.destination.rules, wish);
    if (out.destination.halt) {
        out.plan.next_hop = out.destination.hop;
        out.plan.halt = out.destination.halt;
        co_return out;
    }
    const auto& rules = out.destination.rules;
    auto key = lane;
    if (wish != policy::Wish::none) key += "|waived"; // other rules, other lookups
    out.facts = co_await im.facts_for(key, out.destination, options.fresh);
    out.plan = dane::plan(out.facts, rules, im.settings.self);
    const bool some_without_dane = std::any_of(out.plan.hosts.begin(), out.plan.hosts.end(), [](const auto& host) {
        return host.requirement != dane::Requirement::skip &&
               (host.requirement != dane::Requirement::dane || !host.secured);
    });
    if (im.sts && !out.plan.halt && some_without_dane && policy::wants_sts(out.destination.hop, rules)) {
        out.sts = co_await im.sts->policy_for(out.destination.hop.name, StsSource::Freshness::cached);
        if (out.sts.policy) out.plan = policy::with_sts(std::move(out.plan), *out.sts.policy, rules);
    }
    if (options.requiretls) out.plan = policy::with_requiretls(std::move(out.plan), rules);
    co_return out;
}

} // namespace danelaw::delivery
