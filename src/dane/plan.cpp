// From all the facts to the ordered list of hosts, or to the verdict when nothing may be tried. Pure.
#include "danelaw/dane/plan.hpp"

#include "danelaw/base/limits.hpp"
#include "host_plan_priv.hpp"

#include <algorithm>

namespace danelaw::dane {

std::string_view word(InsecureMx v) {
    switch (v) {
    case InsecureMx::dane: return "dane";
    case InsecureMx::encrypt: return "encrypt";
    case InsecureMx::may: return "may";
    }
    return "";
}

std::string_view word(OnFailure v) {
    return v == OnFailure::bounce ? "bounce" : "defer";
}

std::string_view word(Requirement r) {
    switch (r) {
    case Requirement::none: return "none";
    case Requirement::may: return "may";
    case Requirement::encrypt: return "encrypt";
    case Requirement::dane: return "dane";
    case Requirement::pkix: return "pkix";
    case Requirement::mta_sts: return "mta-sts";
    case Requirement::skip: return "skip";
    }
    return "";
}

std::string_view word(Seen s) {
    switch (s) {
    case Seen::secure: return "secure";
    case Seen::insecure: return "insecure";
    case Seen::bogus: return "bogus";
    case Seen::error: return "error";
    case Seen::absent: return "absent";
    case Seen::not_queried: return "not-queried";
    }
    return "";
}

std::string HostPlan::shown() const {
    if (!name.empty() || addresses.empty()) return name.text();
    return "[" + addresses.front().text() + "]";
}

namespace {

// The least TTL of all lookups that the plan rests on; nothing that rests on a failure is kept (DANE-012, DANE-014).
Seconds least_ttl(const Facts& facts) {
    Seconds least{3600};
    const auto count = [&](const auto& answer) { least = std::min(least, answer.failed() ? Seconds{0} : answer.ttl); };
    if (facts.mx) count(*facts.mx);
    for (const auto& host : facts.hosts) {
        count(host.a);
        count(host.aaaa);
        if (host.first_alias) {
            const bool failed = *host.first_alias != dns::Status::secure && *host.first_alias != dns::Status::insecure;
            least = std::min(least, failed ? Seconds{0} : host.first_alias_ttl);
        }
        for (const auto& lookup : host.tlsa) count(lookup.answer);
    }
    return least;
}

bool leads_to_us(const HostFacts& host, std::uint16_t port, const Ourselves& self) {
    return std::ranges::any_of(addresses_of(host, Families::all), [&](const IpAddress& address) {
        const Endpoint to{address, port};
        return is_ours(to, self);
    });
}

Halt loop(const NextHop& hop) {
    const std::string what = "mail for " + (hop.address ? "[" + hop.address->text() + "]" : hop.name.text());
    if (hop.configured) // SC-092: the operator's to mend
        return halt(Verdict::deferred, Reason::mail_loop, what + " loops back to us by its configured next hop", "3.5");
    return halt(Verdict::bounced, Reason::mail_loop, what + " loops back to us");
}

// SC-007, D-23: a host at one of our own listeners, and all at its preference or worse, are dropped. False: none is
// left.
bool drop_ourselves(std::vector<HostFacts>& hosts, const Facts& facts, const Ourselves& self, Plan& plan) {
    std::optional<std::uint16_t> cut;
    for (const auto& host : hosts)
        if (leads_to_us(host, facts.next_hop.port, self)) cut = std::min(cut.value_or(UINT16_MAX), host.preference);
    if (!cut) return true;
    std::erase_if(hosts, [&](const HostFacts& h) { return h.preference >= *cut; });
    plan.notes.push_back("a host is one of our own listeners: dropped preference " + std::to_string(*cut) +
                         " and worse");
    plan.absence_is_final = false;
    return !hosts.empty();
}

// DANE-055: what lies beyond is dropped from the worst-preferred end.
void bound_addresses(Plan& plan) {
    std::size_t room = limits::addresses, dropped = 0;
    for (auto& host : plan.hosts) {
        if (host.addresses.size() > room) {
            dropped += host.addresses.size() - room;
            host.addresses.resize(room);
        }
        room -= host.addresses.size();
    }
    if (dropped == 0) return;
    std::erase_if(plan.hosts,
                  [](const HostPlan& h) { return h.requirement != Requirement::skip && h.addresses.empty(); });
    plan.notes.push_back("used the best " + std::to_string(limits::addresses) + " addresses, dropped " +
                         std::to_string(dropped));
}

Plan plan_for_literal(Plan plan, const TlsRules& rules, const Ourselves& self) {
    const NextHop hop = plan.next_hop;
    if (hop.address && is_ours({*hop.address, hop.port}, self)) {
        plan.halt = loop(hop);
        return plan;
    }
    plan.hosts = {plan_literal(hop, rules)};
    settle(plan, rules);
    return plan;
}

} // namespace

Plan plan(const Facts& facts, const TlsRules& rules, const Ourselves& self) {
    Plan out;
    out.next_hop = facts.next_hop;
    out.mx = seen_mx(facts.mx);
    out.ttl = least_ttl(facts);
    out.absence_is_final = !facts.next_hop.configured;
    if (facts.next_hop.kind == NextHop::Kind::literal) return plan_for_literal(std::move(out), rules, self);

    const auto sifted = sift(facts.next_hop, facts.mx ? &*facts.mx : nullptr, self);
    if (const auto* stop = std::get_if<Halt>(&sifted)) {
        out.halt = *stop;
        out.null_mx = stop->reason == Reason::no_mail_service;
        return out;
    }
    const auto& list = std::get<Sifted>(sifted);
    out.notes = list.notes;
    if (list.hosts.size() > limits::hosts) // DANE-055: choose_hosts() kept the best
        out.notes.push_back("used the best " + std::to_string(limits::hosts) + " of " +
                            std::to_string(list.hosts.size()) + " MX hosts");
    if (list.cut) out.absence_is_final = false;

    auto hosts = facts.hosts;
    if (!drop_ourselves(hosts, facts, self, out)) {
        out.halt = loop(facts.next_hop);
        return out;
    }
    for (const auto& host : hosts) out.hosts.push_back(plan_host(facts, host, rules));
    bound_addresses(out);
    settle(out, rules);
    return out;
}

} // namespace danelaw::dane
