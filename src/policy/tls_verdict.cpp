// What a step of TLS means under a host's requirement, and how a report counts it: the columns S and H of the decision
// table, and its last one (DANE-142).
#include "danelaw/policy/verdict.hpp"

namespace danelaw::policy {

using dane::HostPlan;
using dane::Requirement;

TlsNext after_tls(const HostPlan& host, TlsEvent event, std::uint32_t earlier_attempts) {
    switch (host.requirement) {
    case Requirement::skip: return TlsNext::next_address;
    case Requirement::none: return TlsNext::clear_here; // STARTTLS is never sent
    case Requirement::may: break;
    case Requirement::encrypt:
    case Requirement::dane:
    case Requirement::pkix:
    case Requirement::mta_sts: // DANE-121, MS-047: on no attempt, for no event
        return event == TlsEvent::passed ? TlsNext::send : TlsNext::next_address;
    }
    switch (event) {
    case TlsEvent::passed: return TlsNext::send;
    case TlsEvent::not_offered:
    case TlsEvent::refused: return TlsNext::clear_here; // RFC 3207 4: the client decides; H96
    case TlsEvent::broken:                              // D-30: not on the first attempt
        return host.clear_after_failed_tls && earlier_attempts > 0 ? TlsNext::clear_anew : TlsNext::next_address;
    case TlsEvent::unverified: return TlsNext::next_address; // nothing was asked that could fail
    }
    return TlsNext::next_address;
}

namespace {

using Results = std::vector<ReportedResult>;

ReportedResult failure(ReportedPolicy policy, Reason result, std::string code) {
    return {policy, result, std::move(code)};
}

// RFC 8460 4.3 has no word for a broken handshake: validation-failure with a code (rows 7, 15, 34 …).
ReportedResult counted(ReportedPolicy policy, const TlsFinding& finding) {
    switch (finding.event) {
    case TlsEvent::passed: return {policy, Reason::none, ""};
    case TlsEvent::not_offered: return failure(policy, Reason::starttls_not_supported, "");
    case TlsEvent::refused: return failure(policy, Reason::starttls_not_supported, finding.code);
    case TlsEvent::broken:
        return failure(policy, Reason::validation_failure,
                       finding.code.empty() ? "tls-handshake-failed" : finding.code);
    case TlsEvent::unverified: return failure(policy, finding.reason, finding.code);
    }
    return failure(policy, Reason::validation_failure, finding.code);
}

// MS-044: the same checks as under enforce, for the report only.
Results testing(const HostPlan& host, const TlsFinding& finding) {
    if (!host.sts_matches) return {failure(ReportedPolicy::sts, Reason::validation_failure, "mta-sts-mx-mismatch")};
    if (finding.event != TlsEvent::passed) return {counted(ReportedPolicy::sts, finding)};
    if (!finding.web_pki) return {};
    return {failure(ReportedPolicy::sts, *finding.web_pki, *finding.web_pki == Reason::none ? "" : finding.code)};
}

Results under_unusable_tlsa(const TlsFinding& finding) { // rows 27-29, TR-013
    Results out{failure(ReportedPolicy::tlsa, Reason::tlsa_invalid, "no-usable-record")};
    if (finding.event != TlsEvent::passed) out.push_back(counted(ReportedPolicy::tlsa, finding));
    return out;
}

} // namespace

Results report_skipped(const HostPlan& host) {
    switch (host.skip_reason) {
    case Reason::dnssec_invalid: // rows 9, 20
        if (host.tlsa == dane::Seen::bogus) return {failure(ReportedPolicy::tlsa, Reason::dnssec_invalid, "bogus")};
        return {failure(ReportedPolicy::no_policy_found, Reason::dnssec_invalid, "bogus")};
    case Reason::dns_error: // rows 10, 21; TR-014
        if (host.tlsa != dane::Seen::error) return {};
        return {failure(ReportedPolicy::tlsa, Reason::dnssec_invalid, "lookup-failed")};
    case Reason::tlsa_invalid: return {failure(ReportedPolicy::tlsa, Reason::tlsa_invalid, "no-usable-record")}; // 26
    case Reason::dane_required: // rows 12, 13, 22; an address has no domain to report to (row 5)
        if (host.name.empty()) return {};
        return {failure(ReportedPolicy::no_policy_found, Reason::dane_required, "")};
    case Reason::validation_failure:
        if (host.sts != HostPlan::Sts::enforce) return {};
        return {failure(ReportedPolicy::sts, Reason::validation_failure, "mta-sts-mx-mismatch")};
    case Reason::none:
    case Reason::starttls_not_supported:
    case Reason::certificate_host_mismatch:
    case Reason::certificate_expired:
    case Reason::certificate_not_trusted:
    case Reason::sts_policy_fetch_error:
    case Reason::sts_policy_invalid:
    case Reason::sts_webpki_invalid:
    case Reason::domain_not_found:
    case Reason::no_mail_service:
    case Reason::no_usable_host:
    case Reason::connect_failed:
    case Reason::timeout:
    case Reason::tls_handshake_failed:
    case Reason::smtp_reply:
    case Reason::connection_lost:
    case Reason::mail_loop:
    case Reason::requiretls_unsupported:
    case Reason::smtputf8_unsupported:
    case Reason::eight_bit_mime_unsupported:
    case Reason::message_too_large:
    case Reason::policy_hold: return {}; // not of TLS (TR-010)
    }
    return {};
}

Results report_halted(const dane::Plan& plan) {
    if (plan.hosts.empty() && plan.mx == dane::Seen::bogus) // row 1
        return {failure(ReportedPolicy::no_policy_found, Reason::dnssec_invalid, "bogus")};
    return {};
}

Results report_session(const HostPlan& host, const TlsFinding& finding) {
    if (host.name.empty()) return {}; // a literal: no domain to report to (rows 6-8)
    if (host.sts == HostPlan::Sts::testing && !host.tlsa_in_force()) return testing(host, finding);
    switch (host.requirement) {
    case Requirement::none:
    case Requirement::skip: return {};
    case Requirement::may: return {counted(ReportedPolicy::no_policy_found, finding)}; // rows 14-19, 23-25; TR-021
    case Requirement::dane: return {counted(ReportedPolicy::tlsa, finding)};           // rows 33-40
    case Requirement::mta_sts: return {counted(ReportedPolicy::sts, finding)};         // TR-016: what decided
    case Requirement::pkix:
        return {counted(host.sts == HostPlan::Sts::enforce ? ReportedPolicy::sts : ReportedPolicy::no_policy_found,
                        finding)};
    case Requirement::encrypt: break;
    }
    if (host.tlsa_unusable) return under_unusable_tlsa(finding);
    // Rows 30-32: TLS by TLSA, but nothing was authenticated.
    const bool by_tlsa = host.encrypt_by_tlsa && finding.event != TlsEvent::passed;
    return {counted(by_tlsa ? ReportedPolicy::tlsa : ReportedPolicy::no_policy_found, finding)};
}

} // namespace danelaw::policy
