// Sessions as TLS reports count them: whose report, under which policy, what is said of them. TR-011, TR-012, TR-014,
// TR-015, TR-018, TR-019.
#include "danelaw/delivery/tls_session.hpp"

#include "danelaw/base/text.hpp"

#include <gtest/gtest.h>

namespace danelaw::delivery {
namespace {

using policy::ReportedPolicy;
using tlsrpt::PolicyType;

dns::Name name(std::string_view text) {
    return *dns::Name::from(text);
}

Route route() {
    Route out;
    out.plan.next_hop.name = name("dest.example");
    sts::Policy policy;
    policy.mode = sts::Mode::testing;
    policy.mx = {"*.dest.example"};
    policy.text = "version: STSv1\r\nmode: testing\r\nmx: *.dest.example\r\nmax_age: 1000\r\n";
    out.sts.policy = policy;
    return out;
}

dane::HostPlan host() {
    dane::HostPlan out;
    out.name = name("mx.dest.example");
    out.tlsa_base = name("real.provider.example");
    out.rrset = {{3, 1, 1, std::string(2, '\xab')}, {1, 0, 1, std::string(1, '\x01')}};
    return out;
}

Whereabouts met() {
    return {Endpoint{*IpAddress::parse("192.0.2.1"), 4711}, Endpoint{*IpAddress::parse("2001:db8::25"), 25},
            "mx\x1b[31m.example"};
}

TEST(TlsSession, UnderTlsaTheBaseIsThePolicyDomain) { // TR-011
    const auto mx = host();
    const auto s = tls_session(route(), &mx, {ReportedPolicy::tlsa, Reason::tlsa_invalid, "X509_V_ERR_X"}, met());
    EXPECT_EQ(s.next_hop, "dest.example");
    EXPECT_EQ(s.policy_type, PolicyType::tlsa);
    EXPECT_EQ(s.policy_domain, "real.provider.example");
    EXPECT_EQ(s.policy_string, (std::vector<std::string>{"3 1 1 abab", "1 0 1 01"})); // unusable ones are part of it
    EXPECT_TRUE(s.mx_host.empty());
    EXPECT_EQ(s.result_type, "tlsa-invalid");
    EXPECT_EQ(s.failure_reason_code, "X509_V_ERR_X"); // TR-012
    EXPECT_EQ(s.sending_ip, "192.0.2.1");
    EXPECT_EQ(s.receiving_ip, "2001:db8::25");
    EXPECT_EQ(s.receiving_mx_hostname, "mx.dest.example");
    EXPECT_EQ(s.receiving_mx_helo, printable("mx\x1b[31m.example"));
    EXPECT_EQ(s.receiving_mx_helo.find('\x1b'), std::string::npos);
}

TEST(TlsSession, UnderStsTheLinesAndPatterns) {
    const auto mx = host();
    const auto s = tls_session(route(), &mx, {ReportedPolicy::sts, Reason::none, ""}, met());
    EXPECT_EQ(s.policy_type, PolicyType::sts);
    EXPECT_EQ(s.policy_domain, "dest.example");
    EXPECT_EQ(s.policy_string,
              (std::vector<std::string>{"version: STSv1", "mode: testing", "mx: *.dest.example", "max_age: 1000"}));
    EXPECT_EQ(s.mx_host, std::vector<std::string>{"*.dest.example"});
    EXPECT_EQ(s.result_type, ""); // a success
}

TEST(TlsSession, WithoutPolicyNorConnection) { // TR-014: nothing is invented
    auto mx = host();
    mx.rrset.clear();
    const auto lookup = tls_session(route(), &mx, {ReportedPolicy::tlsa, Reason::dnssec_invalid, "lookup-failed"}, {});
    EXPECT_TRUE(lookup.policy_string.empty());
    EXPECT_EQ(lookup.policy_domain, "real.provider.example");
    EXPECT_EQ(lookup.sending_ip + lookup.receiving_ip + lookup.receiving_mx_helo, "");
    const auto none = tls_session(route(), nullptr, {ReportedPolicy::no_policy_found, Reason::dnssec_invalid, ""}, {});
    EXPECT_EQ(none.policy_type, PolicyType::no_policy_found);
    EXPECT_TRUE(none.policy_string.empty());
    EXPECT_EQ(none.receiving_mx_hostname, "");
}

TEST(TlsSession, AnnouncedPolicyThatCouldNotBeHad) { // TR-015
    auto r = route();
    EXPECT_FALSE(sts_failure(r));
    r.sts.policy.reset();
    r.sts.failure = Reason::sts_webpki_invalid;
    const auto s = sts_failure(r);
    ASSERT_TRUE(s);
    EXPECT_EQ(s->policy_type, PolicyType::sts);
    EXPECT_EQ(s->result_type, "sts-webpki-invalid");
    EXPECT_EQ(s->policy_domain, "dest.example");
    EXPECT_TRUE(s->policy_string.empty());
}

TEST(TlsSession, WhoseSessionsCount) { // TR-018, TR-019, SC-124
    message::Envelope e;
    EXPECT_TRUE(counts_for_reports(e));
    e.content.tls_required_no = true;
    EXPECT_FALSE(counts_for_reports(e));
    e.requiretls = true; // which voids the header
    EXPECT_TRUE(counts_for_reports(e));
    e = {};
    e.origin = message::Origin::tls_report;
    EXPECT_FALSE(counts_for_reports(e));
}

} // namespace
} // namespace danelaw::delivery
