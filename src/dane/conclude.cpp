// When no host was left: what the recipient is told, and whether the message stays alive. Pure.
// D-32, DANE-124, SC-009, SC-093.
#include "facts_priv.hpp"

#include <algorithm>

namespace danelaw::dane {

namespace {

using Demand = HostFailure::Demand;

bool failed_policy(const HostFailure& failure) {
    return is_tls_policy_failure(failure.reason) && failure.demand == Demand::policy;
}

// on_failure: bounce speaks of failed TLS policy alone, never of lookups, network or the remote's word (contract).
bool is_final(const HostFailure& failure, const TlsRules& rules) {
    return failure.permanent || (failed_policy(failure) && rules.on_failure == OnFailure::bounce);
}

// D-32: the gravest first. What keeps the message alive speaks before what alone would have ended it (SC-093).
int gravity(const HostFailure& failure) {
    if (failed_policy(failure)) return 0;
    if (failure.reason == Reason::dnssec_invalid) return 1;
    if (failure.reason == Reason::dns_error) return 2;
    return failure.permanent ? 4 : 3;
}

} // namespace

Halt conclude(const std::vector<HostFailure>& failures, const TlsRules& rules) {
    if (failures.empty()) return halt(Verdict::deferred, Reason::no_usable_host, "no host was left to try");
    const bool final = std::ranges::all_of(failures, [&](const HostFailure& f) { return is_final(f, rules); });
    const auto& gravest = *std::ranges::min_element(failures, {}, gravity); // the first of equals: best-preferred
    std::string text = gravest.host.empty() ? gravest.text : gravest.host.text() + ": " + gravest.text;
    return halt(final ? Verdict::bounced : Verdict::deferred, gravest.reason, std::move(text), gravest.detail);
}

HostFailure skipped(const Plan& plan, const HostPlan& host) {
    HostFailure failure;
    failure.host = host.name;
    failure.reason = host.skip_reason;
    failure.text = host.why;
    failure.detail = host.skip_detail;
    failure.permanent = host.skip_is_final || (host.address == Seen::absent && plan.absence_is_final); // row 11, D-13
    return failure;
}

void settle(Plan& plan, const TlsRules& rules) {
    if (plan.halt) return;
    std::vector<HostFailure> failures;
    for (const auto& host : plan.hosts) {
        if (host.requirement != Requirement::skip) return;
        failures.push_back(skipped(plan, host));
    }
    if (failures.empty()) { // fail closed: facts were not gathered to the end
        plan.halt = halt(Verdict::deferred, Reason::dns_error, "no host was looked up");
        return;
    }
    plan.halt = conclude(failures, rules);
}

} // namespace danelaw::dane
