// Any combination of DNS answers, from honest to absurd, through the planner: it may never come out weaker than the
// facts allow (DANE-002, DANE-004, DANE-020, DANE-047, DANE-052, DANE-121, DANE-126).
#include "require.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/dane/plan.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>

namespace {

using namespace danelaw;
using dane::Requirement;

constexpr const char* names[] = {"ex.test", "mx.ex.test",       "MX2.ex.test", "node.plain.test",
                                 ".",       "xn--bcher-kva.ab", "relay.test",  "127.0.0.1"};

dns::Name name(FuzzedDataProvider& in) {
    return dns::Name::from(names[in.ConsumeIntegralInRange<std::size_t>(0, std::size(names) - 1)])
        .value_or(dns::Name{});
}

template <class T, class Make> dns::Answer<T> answer(FuzzedDataProvider& in, Make make) {
    dns::Answer<T> out;
    out.status = static_cast<dns::Status>(in.ConsumeIntegralInRange(0, 3));
    out.canonical = name(in);
    if (out.canonical.empty()) out.canonical = *dns::Name::from("mx.ex.test"); // the root is no host
    out.aliased = in.ConsumeBool();
    out.ttl = Seconds(in.ConsumeIntegral<std::uint16_t>());
    if (out.failed()) return out;
    for (auto n = in.ConsumeIntegralInRange(0, 5); n > 0; --n) out.records.push_back(make());
    if (out.records.empty()) out.absence = in.ConsumeBool() ? dns::Absence::nodata : dns::Absence::nxdomain;
    return out;
}

dns::Tlsa tlsa(FuzzedDataProvider& in) {
    dns::Tlsa out;
    out.usage = static_cast<std::uint8_t>(in.ConsumeIntegralInRange(0, 4));
    out.selector = static_cast<std::uint8_t>(in.ConsumeIntegralInRange(0, 2));
    out.matching = static_cast<std::uint8_t>(in.ConsumeIntegralInRange(0, 3));
    constexpr std::size_t lengths[] = {0, 31, 32, 64};
    out.data = std::string(lengths[in.ConsumeIntegralInRange(0, 3)], static_cast<char>(in.ConsumeIntegral<char>()));
    return out;
}

dns::Answer<IpAddress> addresses(FuzzedDataProvider& in, const char* text) {
    return answer<IpAddress>(in, [&] { return *IpAddress::parse(text); });
}

dane::TlsRules rules(FuzzedDataProvider& in) {
    dane::TlsRules out;
    out.policy = static_cast<TlsPolicy>(in.ConsumeIntegralInRange(0, 5));
    out.insecure_mx = static_cast<dane::InsecureMx>(in.ConsumeIntegralInRange(0, 2));
    out.on_failure = static_cast<dane::OnFailure>(in.ConsumeIntegralInRange(0, 1));
    return out;
}

// Looks up what the steps ask for, as the router does.
dane::HostFacts gather(FuzzedDataProvider& in, const dane::Facts& facts, const dane::MxHost& host,
                       const dane::TlsRules& rules) {
    dane::HostFacts out;
    out.name = host.name;
    out.preference = host.preference;
    out.a = addresses(in, "127.0.0.9");
    out.aaaa = addresses(in, "2001:db8::9");
    if (needs_alias_check(facts, out, rules))
        out.first_alias = static_cast<dns::Status>(in.ConsumeIntegralInRange(0, 3));
    for (int asked = 0; auto base = next_tlsa_base(facts, out, rules); ++asked) {
        require(asked < 2);                                            // two candidates at most (DANE-046)
        require(out.tlsa.empty() || !out.tlsa.back().answer.failed()); // DANE-047
        out.tlsa.push_back({*base, answer<dns::Tlsa>(in, [&] { return tlsa(in); })});
    }
    return out;
}

void judge(const dane::Facts& facts, const dane::HostFacts& host, const dane::HostPlan& plan,
           const dane::TlsRules& rules) {
    const bool dane_policy = rules.policy == TlsPolicy::dane || rules.policy == TlsPolicy::dane_only;
    if (plan.requirement == Requirement::skip) {
        require(plan.skip_reason != Reason::none);
        require(plan.addresses.empty()); // DANE-052
        return;
    }
    require(!plan.addresses.empty());
    require(host.a.answered() || host.aaaa.answered());
    const auto* last = host.tlsa.empty() ? nullptr : &host.tlsa.back().answer;
    require(!last || !last->failed());                                                                       // DANE-004
    if (plan.tlsa_in_force()) require(!plan.clear_after_failed_tls && plan.requirement != Requirement::may); // DANE-121
    if (plan.requirement == Requirement::dane) {
        require(dane_policy && !plan.records.empty());
        require(!plan.tlsa_base.empty());
        require(last && last->status == dns::Status::secure && plan.sni == plan.tlsa_base.text()); // DANE-051, DANE-110
        require(!plan.reference_names.empty() && plan.reference_names.front() == plan.sni);        // DANE-100
    }
    const bool bound = last && last->status == dns::Status::secure && !last->records.empty();
    if (dane_policy && bound)
        require(plan.requirement == Requirement::dane || plan.requirement == Requirement::encrypt);
    if (plan.secured) require(!facts.mx || facts.mx->absent() || facts.mx->status == dns::Status::secure); // DANE-028
    if (rules.policy == TlsPolicy::dane_only)
        require(plan.requirement == Requirement::dane && plan.secured); // DANE-126
    if (rules.policy == TlsPolicy::encrypt) require(plan.requirement == Requirement::encrypt);
    if (rules.policy == TlsPolicy::verify) require(plan.requirement == Requirement::pkix);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider in(data, size);
    dane::Facts facts;
    facts.next_hop.kind = static_cast<dane::NextHop::Kind>(in.ConsumeIntegralInRange(0, 2));
    facts.next_hop.name = name(in);
    if (facts.next_hop.name.empty()) facts.next_hop.name = *dns::Name::from("ex.test");
    facts.next_hop.configured = in.ConsumeBool();
    facts.next_hop.port = in.ConsumeIntegral<std::uint16_t>();
    if (facts.next_hop.kind == dane::NextHop::Kind::literal) facts.next_hop.address = IpAddress::parse("127.0.0.8");
    const auto rule = rules(in);
    dane::Ourselves self;
    self.names = {*dns::Name::from("relay.test")};
    if (facts.next_hop.kind == dane::NextHop::Kind::mx_lookup)
        facts.mx = answer<dns::Mx>(in, [&] {
            const auto target = name(in);
            return dns::Mx{in.ConsumeIntegral<std::uint16_t>(), target, target.is_host()};
        });
    SeededRng rng(in.ConsumeIntegral<std::uint32_t>());
    const auto choice = dane::choose_hosts(facts.next_hop, facts.mx ? &*facts.mx : nullptr, self, rng);
    if (const auto* chosen = std::get_if<dane::MxChoice>(&choice)) {
        require(chosen->hosts.size() <= limits::hosts);                                // DANE-055
        require(std::ranges::is_sorted(chosen->hosts, {}, &dane::MxHost::preference)); // DANE-022
        require(!facts.mx || !facts.mx->failed());                                     // DANE-020
        for (const auto& host : chosen->hosts) facts.hosts.push_back(gather(in, facts, host, rule));
    }
    const auto plan = dane::plan(facts, rule, self);
    if (facts.mx && facts.mx->failed())
        require(plan.hosts.empty() && plan.halt && plan.halt->verdict == Verdict::deferred);
    const bool usable =
        std::ranges::any_of(plan.hosts, [](const auto& h) { return h.requirement != Requirement::skip; });
    require(usable != plan.halt.has_value());
    for (std::size_t i = 0; i < plan.hosts.size() && i < facts.hosts.size(); ++i)
        judge(facts, facts.hosts[i], plan.hosts[i], rule);
    return 0;
}
