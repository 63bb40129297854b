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

// Is there an answer to everything the planner wants to know, and none of them a failure?
bool all_answered(const dane::Facts& facts, const dane::TlsRules& rules) {
    if (facts.mx && facts.mx->failed()) return false;
    for (const auto& host : facts.hosts) {
        if (host.a.failed() || host.aaaa.failed()) return false;
        if (dane::needs_alias_check(facts, host, rules) || dane::next_tlsa_base(facts, host, rules)) return false;
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

// What the lookups of one destination write into. Shared by them: one that is cut off may end after whoever wanted it.
struct Gathering {
    dane::Facts facts;
    dane::TlsRules rules;
    bool ipv4 = true, ipv6 = true;
};
using Shared = std::shared_ptr<Gathering>;

// A task that throws is a bug; its answer then stays what a default-made one is, a failure.
void let_it_fail(const std::string&, const std::string&) {}

Task<void> look_up_aaaa(resolver::Resolver& resolver, Shared into, std::size_t at) {
    auto answer = co_await resolver.aaaa(into->facts.hosts[at].name);
    into->facts.hosts[at].aaaa = std::move(answer);
}

// Both families together, and both ended before anything else is asked (DANE-040).
Task<void> look_up_addresses(resolver::Resolver& resolver, Shared into, std::size_t at) {
    const dns::Name name = into->facts.hosts[at].name;
    const auto executor = co_await boost::asio::this_coro::executor;
    net::TaskGroup pair(executor, let_it_fail);
    if (into->ipv6)
        pair.spawn("AAAA", look_up_aaaa(resolver, into, at));
    else
        into->facts.hosts[at].aaaa = not_wanted(name);
    auto a = not_wanted(name);
    if (into->ipv4) a = co_await resolver.a(name);
    into->facts.hosts[at].a = std::move(a);
    co_await pair.join();
}

// Then, only when they call for it, the first alias and TLSA.
Task<void> look_up_host(resolver::Resolver& resolver, Shared into, std::size_t at) {
    co_await look_up_addresses(resolver, into, at);
    if (dane::needs_alias_check(into->facts, into->facts.hosts[at], into->rules)) {
        auto alias = co_await resolver.cname(into->facts.hosts[at].name);
        auto& host = into->facts.hosts[at];
        host.first_alias = alias.status;
        host.first_alias_why = alias.why;
        host.first_alias_ttl = alias.ttl;
    }
    while (auto base = dane::next_tlsa_base(into->facts, into->facts.hosts[at], into->rules)) {
        dane::TlsaLookup lookup;
        lookup.base = *base;
        lookup.answer = co_await resolver.tlsa(dns::tlsa_owner(*base, into->facts.next_hop.port));
        into->facts.hosts[at].tlsa.push_back(std::move(lookup));
    }
}

// The rules that decide which lookups are made: facts gathered under others are not to be used (SC-123).
std::string key_of(const policy::Destination& destination) {
    const auto& hop = destination.hop;
    std::string key = hop.kind == dane::NextHop::Kind::host ? "host " : "domain ";
    key += hop.name.text() + ":" + std::to_string(hop.port);
    key += " " + std::string(word(destination.rules.policy)) + " " + std::string(word(destination.rules.insecure_mx));
    return key;
}

bool awaits_sts(const dane::Plan& plan, const dane::TlsRules& rules) {
    if (plan.halt || !policy::wants_sts(plan.next_hop, rules)) return false;
    return std::any_of(plan.hosts.begin(), plan.hosts.end(), [](const auto& host) { // MS-061, MS-064
        return host.requirement != dane::Requirement::skip &&
               (host.requirement != dane::Requirement::dane || !host.secured);
    });
}

// Nothing was learnt of a policy that may bind: not now.
dane::Plan given_up(dane::Plan plan, const StsResult& sts) {
    plan.hosts.clear();
    plan.halt = dane::Halt{Verdict::deferred, Reason::connect_failed, "given up: " + sts.text, "4.3.2"};
    return plan;
}

// Forged or passing trouble may hide a policy (SC-122); one that was read and is invalid is none.
std::optional<policy::StsDoubt> doubt(const StsResult& sts) {
    const bool unread = sts.failure == Reason::sts_policy_fetch_error || sts.failure == Reason::sts_webpki_invalid;
    if (sts.policy || (!sts.unsure && !unread)) return std::nullopt;
    return policy::StsDoubt{unread ? sts.failure : Reason::dns_error, sts.text};
}

} // namespace

struct Router::Impl {
    struct Kept {
        dane::Facts facts;
        net::Deadline until;
    };

    Impl(resolver::Resolver& r, StsSource* s, const Clock& c, Rng& g, RouterSettings settings_)
        : resolver(r), sts(s), clock(c), rng(g), settings(std::move(settings_)) {}

    Task<dane::Facts> gather(const policy::Destination& destination) {
        const auto shared = std::make_shared<Gathering>();
        auto& facts = shared->facts;
        shared->rules = destination.rules;
        shared->ipv4 = settings.use_ipv4;
        shared->ipv6 = settings.use_ipv6;
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
        net::TaskGroup side_by_side(executor, let_it_fail);
        for (std::size_t n = 0; n < facts.hosts.size(); ++n)
            side_by_side.spawn("host", look_up_host(resolver, shared, n));
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

    Task<dane::Facts> facts_for(const policy::Destination& destination, bool fresh) {
        if (destination.hop.kind == dane::NextHop::Kind::literal) {
            dane::Facts none;
            none.next_hop = destination.hop;
            co_return none;
        }
        const auto key = key_of(destination);
        const auto now = std::chrono::steady_clock::now();
        const auto found = kept.find(key);
        if (!fresh && found != kept.end() && now < found->second.until) {
            auto facts = found->second.facts;
            facts.next_hop =
                destination.hop; // the same name may be a domain here and a configured relay there (SC-092)
            shuffle_equals(facts);
            co_return facts;
        }
        auto facts = co_await gather(destination);
        kept.erase(key);
        if (all_answered(facts, destination.rules)) {
            const auto ttl = std::min(dane::plan(facts, destination.rules, settings.self).ttl, longest_use);
            if (kept.size() >= remembered) kept.clear();
            if (ttl.count() > 0) kept[key] = Kept{facts, now + ttl}; // counted from the first question on (DANE-012)
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
    const bool waived = options.tls_required_no && !options.requiretls; // SC-124: the envelope wins
    const auto wish = options.tls_report ? policy::Wish::tls_report
                      : waived           ? policy::Wish::tls_required_no
                                         : policy::Wish::none;
    out.destination.rules = policy::rules_for(out.destination.rules, wish);
    if (out.destination.halt) {
        out.plan.next_hop = out.destination.hop;
        out.plan.halt = out.destination.halt;
        co_return out;
    }
    const dane::TlsRules rules = out.destination.rules;
    const dane::Ourselves self = im.settings.self;
    out.facts = co_await im.facts_for(out.destination, options.fresh);
    const dane::Plan by_dns = dane::plan(out.facts, rules, self);
    out.plan = by_dns;
    if (im.sts && awaits_sts(by_dns, rules)) {
        auto freshness = options.sts_again ? StsSource::Freshness::ask_again : StsSource::Freshness::cached;
        out.sts = co_await im.sts->policy_for(out.destination.hop.name, freshness);
        if (out.sts.policy) out.plan = policy::with_sts(by_dns, *out.sts.policy, rules);
        const bool would_bounce = out.plan.halt && out.plan.halt->verdict == Verdict::bounced;
        if (would_bounce && freshness == StsSource::Freshness::cached) { // MS-046: not by an old policy
            out.sts = co_await im.sts->policy_for(out.destination.hop.name, StsSource::Freshness::ask_again);
            out.plan = out.sts.policy ? policy::with_sts(by_dns, *out.sts.policy, rules) : by_dns;
        }
        if (out.sts.unknown) out.plan = given_up(by_dns, out.sts);
    }
    if (options.requiretls) out.plan = policy::with_requiretls(std::move(out.plan), rules, doubt(out.sts));
    co_return out;
}

} // namespace danelaw::delivery
