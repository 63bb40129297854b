// From findings to sessions for TLS reports.
#include "danelaw/delivery/tls_session.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::delivery {
namespace {

constexpr std::size_t longest_name = 255;

tlsrpt::PolicyType type_of(policy::ReportedPolicy p) {
    switch (p) {
    case policy::ReportedPolicy::tlsa: return tlsrpt::PolicyType::tlsa;
    case policy::ReportedPolicy::sts: return tlsrpt::PolicyType::sts;
    case policy::ReportedPolicy::no_policy_found: return tlsrpt::PolicyType::no_policy_found;
    }
    return tlsrpt::PolicyType::no_policy_found;
}

// TR-011, TR-014: of a failed lookup the base is known, and no record.
void under_tlsa(tlsrpt::Session& session, const dane::HostPlan& host) {
    session.policy_domain = host.tlsa_base.empty() ? host.name.text() : host.tlsa_base.text();
    for (const auto& record : host.rrset) session.policy_string.push_back(record.text());
}

} // namespace

bool counts_for_reports(const message::Envelope& envelope) {
    if (envelope.origin == message::Origin::tls_report) return false;
    return !envelope.content.tls_required_no || envelope.requiretls;
}

tlsrpt::Session tls_session(const Route& route, const dane::HostPlan* host, const policy::ReportedResult& counted,
                            const Whereabouts& where) {
    tlsrpt::Session out;
    out.next_hop = route.plan.next_hop.name.text();
    out.policy_type = type_of(counted.policy);
    out.policy_domain = out.next_hop;
    if (counted.policy == policy::ReportedPolicy::tlsa && host) under_tlsa(out, *host);
    if (counted.policy == policy::ReportedPolicy::sts && route.sts.policy) {
        out.policy_string = route.sts.policy->lines();
        out.mx_host = route.sts.policy->mx;
    }
    out.result_type = std::string(word(counted.result));
    out.failure_reason_code = counted.code;
    if (host) out.receiving_mx_hostname = host->name.text();
    if (where.local) out.sending_ip = where.local->address.text();
    if (where.remote) out.receiving_ip = where.remote->address.text();
    out.receiving_mx_helo = printable(where.peer_name, longest_name);
    return out;
}

std::optional<tlsrpt::Session> sts_failure(const Route& route) {
    if (route.sts.failure == Reason::none || route.plan.next_hop.name.empty()) return std::nullopt;
    return tls_session(route, nullptr, {policy::ReportedPolicy::sts, route.sts.failure, ""}, {});
}

} // namespace danelaw::delivery
