// MTA-STS and REQUIRETLS over a plan.
#include "danelaw/policy/overlay.hpp"

namespace danelaw::policy {

namespace {

using dane::HostPlan;
using dane::Requirement;

void skip(HostPlan& host, Reason reason, std::string why) {
    host.requirement = Requirement::skip;
    host.skip_reason = reason;
    host.why = std::move(why);
    host.secured = false;
    host.clear_after_failed_tls = false;
    host.addresses.clear(); // no connection (MS-043)
}

// RFC 8461 4.2, 7.1: web PKI for the MX host's own name, SNI the same, TLS 1.2 at least (MS-041, MS-042).
void demand_web_pki(HostPlan& host) {
    host.requirement = Requirement::mta_sts;
    host.reference_names = {host.name.text()};
    if (!IpAddress::parse(host.name.text())) host.sni = host.name.text();
    if (host.min_protocol < "1.2") host.min_protocol = "1.2";
    host.clear_after_failed_tls = false; // MS-047
    host.records.clear();
    host.secured = true;
    host.why = "MTA-STS policy, mode enforce";
}

void enforce(HostPlan& host, const sts::Policy& policy) {
    if (host.requirement == Requirement::none) return;                 // only by the operator's explicit word (MS-065)
    if (host.requirement == Requirement::dane && host.secured) return; // MS-061: DANE alone decides
    host.sts = HostPlan::Sts::enforce;
    if (!host.sts_matches) // MS-040; MS-062 also for a host with DANE behind an insecure MX RRset
        return skip(host, Reason::validation_failure,
                    host.name.text() + " is no mx of the MTA-STS policy (" + std::string(word(policy.mode)) + ")");
    host.known_securely = true; // SC-120: matched by the policy
    switch (host.requirement) {
    case Requirement::may:
    case Requirement::encrypt:
        demand_web_pki(host);
        return;             // MS-063: the records that were unusable still count as such
    case Requirement::dane: // MS-062: authenticated by DANE
    case Requirement::pkix: // MS-065: the operator's `verify` asks for as much
    case Requirement::mta_sts:
    case Requirement::none:
    case Requirement::skip: return;
    }
}

} // namespace

bool wants_sts(const dane::NextHop& hop, const dane::TlsRules& rules) {
    if (!rules.mta_sts || hop.kind == dane::NextHop::Kind::literal) return false;
    switch (rules.policy) {
    case TlsPolicy::may:
    case TlsPolicy::encrypt:
    case TlsPolicy::dane:
    case TlsPolicy::verify: return true;
    case TlsPolicy::dane_only: // it can't satisfy it
    case TlsPolicy::none: return false;
    }
    return false;
}

dane::Plan with_sts(dane::Plan plan, const sts::Policy& policy, const dane::TlsRules& rules) {
    if (plan.halt || policy.mode == sts::Mode::none || !wants_sts(plan.next_hop, rules)) return plan; // MS-045
    for (auto& host : plan.hosts) {
        if (host.requirement == Requirement::skip) continue; // MS-060: what DANE refused stays refused
        host.sts_matches = sts::matches(policy, host.name);
        if (policy.mode == sts::Mode::enforce)
            enforce(host, policy);
        else if (host.requirement != Requirement::dane && host.requirement != Requirement::none)
            host.sts = HostPlan::Sts::testing;
    }
    dane::settle(plan, rules);
    return plan;
}

dane::Plan with_requiretls(dane::Plan plan, const dane::TlsRules& rules, const std::optional<StsDoubt>& doubt) {
    if (plan.halt) return plan;
    for (auto& host : plan.hosts) {
        if (host.requirement == Requirement::skip) continue;
        const bool authenticated = host.requirement == Requirement::dane || host.requirement == Requirement::pkix ||
                                   host.requirement == Requirement::mta_sts;
        if (host.known_securely && authenticated) continue;
        if (doubt) {
            skip(host, doubt->reason,
                 "REQUIRETLS: whether MTA-STS authenticates the host is not known: " + doubt->text);
            continue;
        }
        skip(host, Reason::requiretls_unsupported,
             authenticated ? "REQUIRETLS: the host is not known securely"
                           : "REQUIRETLS: the host can't be authenticated (no DANE, no MTA-STS)");
        host.skip_detail = "7.10";
        host.skip_is_final = true; // SC-122: a definite no
    }
    dane::settle(plan, rules);
    return plan;
}

dane::HostFailure with_requiretls(dane::HostFailure failure) {
    const bool forgeable =
        failure.reason == Reason::tls_handshake_failed || failure.reason == Reason::starttls_not_supported;
    if (!is_tls_policy_failure(failure.reason) || forgeable) return failure;
    failure.permanent = true;
    failure.detail = "7.10";
    return failure;
}

} // namespace danelaw::policy
