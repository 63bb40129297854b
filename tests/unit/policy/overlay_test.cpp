// DANE × MTA-STS host by host (MS-060…066, the overlay table), and REQUIRETLS (SC-120…122).
#include "danelaw/policy/overlay.hpp"

#include "danelaw/policy/verdict.hpp"

#include "dane/facts_support.hpp"

#include <gtest/gtest.h>

namespace danelaw::policy {
namespace {

using namespace dane::testing;
using dane::Requirement;

sts::Policy sts_policy(const std::string& mode, const std::string& mx = "mx.example.org") {
    return *sts::parse_policy("version: STSv1\nmode: " + mode + "\nmx: " + mx + "\nmax_age: 86400\n");
}

dane::TlsRules rules_of(TlsPolicy policy) {
    dane::TlsRules rules;
    rules.policy = policy;
    return rules;
}

struct Row {
    const char* name;
    TlsPolicy policy;
    MxCase mx;
    AddressCase address;
    TlsaCase tlsa;
    const char *match, *mismatch; // under enforce, the host being one of the mx or not
};

TEST(WithSts, EnforceTable) {
    using enum TlsPolicy;
    const Row rows[] = {
        {"MS-061 secure MX and usable TLSA: DANE alone", dane, MxCase::secure, AddressCase::secure, TlsaCase::usable,
         "dane", "dane"},
        {"MS-062 insecure MX and usable TLSA: must match", dane, MxCase::insecure, AddressCase::secure,
         TlsaCase::usable, "dane unsecured", "defer validation-failure"},
        {"MS-063 unusable TLSA: web PKI", dane, MxCase::secure, AddressCase::secure, TlsaCase::unusable, "mta-sts",
         "defer validation-failure"},
        {"MS-064 no TLSA", dane, MxCase::secure, AddressCase::secure, TlsaCase::absent, "mta-sts",
         "defer validation-failure"},
        {"MS-064 unsigned", dane, MxCase::insecure, AddressCase::insecure, TlsaCase::absent, "mta-sts",
         "defer validation-failure"},
        {"MS-060 bogus TLSA", dane, MxCase::secure, AddressCase::secure, TlsaCase::bogus, "defer dnssec-invalid",
         "defer dnssec-invalid"},
        {"MS-060 failed address", dane, MxCase::secure, AddressCase::error, TlsaCase::absent, "defer dns-error",
         "defer dns-error"},
        {"MS-060 bogus MX", dane, MxCase::bogus, AddressCase::secure, TlsaCase::usable, "defer dnssec-invalid",
         "defer dnssec-invalid"},
        {"MS-065 may", may, MxCase::insecure, AddressCase::insecure, TlsaCase::absent, "mta-sts",
         "defer validation-failure"},
        {"MS-065 encrypt", encrypt, MxCase::insecure, AddressCase::insecure, TlsaCase::absent, "mta-sts",
         "defer validation-failure"},
        {"MS-065 verify is as strict", verify, MxCase::insecure, AddressCase::insecure, TlsaCase::absent, "pkix",
         "defer validation-failure"},
        {"MS-065 none by explicit word", none, MxCase::insecure, AddressCase::insecure, TlsaCase::absent, "none",
         "none"},
        {"MS-065 dane-only ignores it", dane_only, MxCase::secure, AddressCase::secure, TlsaCase::absent,
         "defer dane-required", "defer dane-required"},
        {"MS-001 a literal has none", dane, MxCase::literal, AddressCase::secure, TlsaCase::absent, "may", "may"},
    };
    for (const auto& row : rows) {
        const auto rules = rules_of(row.policy);
        const auto plan = plan_of({row.mx, row.address, row.tlsa, {}}, rules);
        EXPECT_EQ(verdict_of(with_sts(plan, sts_policy("enforce"), rules)), row.match) << row.name;
        EXPECT_EQ(verdict_of(with_sts(plan, sts_policy("enforce", "other.test"), rules)), row.mismatch) << row.name;
        for (const auto* mode : {"testing", "none"}) // MS-044, MS-045
            EXPECT_EQ(verdict_of(with_sts(plan, sts_policy(mode, "other.test"), rules)), verdict_of(plan))
                << row.name << " " << mode;
        auto off = rules;
        off.mta_sts = false;
        EXPECT_EQ(verdict_of(with_sts(plan, sts_policy("enforce", "other.test"), off)), verdict_of(plan)) << row.name;
    }
}

TEST(WithSts, WhatEnforceDemandsOfTheChannel) { // MS-040…042, MS-047, MS-063
    auto rules = rules_of(TlsPolicy::dane);
    rules.min_protocol = "1.0";
    const auto plan = with_sts(plan_of({MxCase::secure, AddressCase::secure, TlsaCase::unusable, {}}, rules),
                               sts_policy("enforce"), rules);
    const auto& host = plan.hosts.front();
    EXPECT_EQ(host.requirement, Requirement::mta_sts);
    EXPECT_EQ(host.reference_names, std::vector<std::string>{"mx.example.org"});
    EXPECT_EQ(host.sni, "mx.example.org");
    EXPECT_EQ(host.min_protocol, "1.2");
    EXPECT_TRUE(host.known_securely);
    for (const auto event : {TlsEvent::not_offered, TlsEvent::refused, TlsEvent::broken, TlsEvent::unverified})
        for (const std::uint32_t earlier : {0u, 1u, 99u})
            EXPECT_EQ(after_tls(host, event, earlier), TlsNext::next_address);
}

TEST(WithSts, AMismatchIsNotConnectedTo) { // MS-043, H143
    const auto rules = rules_of(TlsPolicy::dane);
    const auto plan = with_sts(plan_of({MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}}, rules),
                               sts_policy("enforce", "*.good.test"), rules);
    EXPECT_TRUE(plan.hosts.front().addresses.empty());
    const std::vector<ReportedResult> want{{ReportedPolicy::sts, Reason::validation_failure, "mta-sts-mx-mismatch"}};
    EXPECT_EQ(report_skipped(plan.hosts.front()), want);
}

TEST(WithSts, OnFailureBounce) {
    auto rules = rules_of(TlsPolicy::dane);
    rules.on_failure = dane::OnFailure::bounce;
    const auto plan = plan_of({MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}}, rules);
    EXPECT_EQ(verdict_of(with_sts(plan, sts_policy("enforce", "other.test"), rules)), "bounce validation-failure");
}

TEST(ReportSession, UnderStsPolicies) { // overlay table, last column; MS-044, TR-015, TR-016
    const auto rules = rules_of(TlsPolicy::dane);
    const auto bare = plan_of({MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}}, rules);
    const auto enforced = with_sts(bare, sts_policy("enforce"), rules).hosts.front();
    const auto tested = with_sts(bare, sts_policy("testing"), rules).hosts.front();
    const auto tested_mismatch = with_sts(bare, sts_policy("testing", "other.test"), rules).hosts.front();
    using Results = std::vector<ReportedResult>;
    const auto sts = [](Reason reason, std::string code) {
        return Results{{ReportedPolicy::sts, reason, std::move(code)}};
    };
    const TlsFinding passed{}, not_offered{TlsEvent::not_offered, Reason::starttls_not_supported, "", {}};
    const TlsFinding broken{TlsEvent::broken, Reason::tls_handshake_failed, "", {}};
    const TlsFinding expired{TlsEvent::unverified, Reason::certificate_expired, "X509_V_ERR_CERT_HAS_EXPIRED", {}};
    EXPECT_EQ(report_session(enforced, passed), sts(Reason::none, ""));
    EXPECT_EQ(report_session(enforced, not_offered), sts(Reason::starttls_not_supported, ""));
    EXPECT_EQ(report_session(enforced, broken), sts(Reason::validation_failure, "tls-handshake-failed"));
    EXPECT_EQ(report_session(enforced, expired), sts(Reason::certificate_expired, "X509_V_ERR_CERT_HAS_EXPIRED"));

    EXPECT_EQ(report_session(tested, not_offered), sts(Reason::starttls_not_supported, ""));
    EXPECT_EQ(report_session(tested_mismatch, passed), sts(Reason::validation_failure, "mta-sts-mx-mismatch"));
    const TlsFinding good{TlsEvent::passed, Reason::none, "", Reason::none};
    const TlsFinding bad{TlsEvent::passed, Reason::none, "X509_V_ERR_HOSTNAME_MISMATCH",
                         Reason::certificate_host_mismatch};
    EXPECT_EQ(report_session(tested, good), sts(Reason::none, ""));
    EXPECT_EQ(report_session(tested, bad), sts(Reason::certificate_host_mismatch, "X509_V_ERR_HOSTNAME_MISMATCH"));
    EXPECT_EQ(report_session(tested, passed), Results{}) << "not checked, not counted";
    EXPECT_EQ(after_tls(tested, TlsEvent::not_offered, 0), TlsNext::clear_here) << "delivery as if no policy";
}

TEST(WithRequiretls, Table) { // SC-120, SC-121, SC-122, SC-125
    const auto rules = rules_of(TlsPolicy::dane);
    struct {
        const char* name;
        Scenario dns;
        const char* sts; // mode, "" none
        const char* want;
    } const rows[] = {
        {"DANE behind a secure MX", {MxCase::secure, AddressCase::secure, TlsaCase::usable, {}}, "", "dane"},
        {"DANE behind an insecure MX",
         {MxCase::insecure, AddressCase::secure, TlsaCase::usable, {}},
         "",
         "bounce requiretls-unsupported"},
        {"the same, matched by a policy",
         {MxCase::insecure, AddressCase::secure, TlsaCase::usable, {}},
         "enforce",
         "dane unsecured"},
        {"explicit host", {MxCase::direct, AddressCase::secure, TlsaCase::usable, {}}, "", "dane"},
        {"implicit host", {MxCase::absent, AddressCase::secure, TlsaCase::usable, {}}, "", "dane"},
        {"no TLSA", {MxCase::secure, AddressCase::secure, TlsaCase::absent, {}}, "", "bounce requiretls-unsupported"},
        {"unusable TLSA is not enough",
         {MxCase::secure, AddressCase::secure, TlsaCase::unusable, {}},
         "",
         "bounce requiretls-unsupported"},
        {"MTA-STS enforce", {MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}}, "enforce", "mta-sts"},
        {"testing is not enough",
         {MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}},
         "testing",
         "bounce requiretls-unsupported"},
        {"a failed lookup defers", {MxCase::secure, AddressCase::secure, TlsaCase::error, {}}, "", "defer dns-error"},
        {"a literal",
         {MxCase::literal, AddressCase::secure, TlsaCase::absent, {}},
         "",
         "bounce requiretls-unsupported"},
    };
    for (const auto& row : rows) {
        auto plan = plan_of(row.dns, rules);
        if (*row.sts) plan = with_sts(std::move(plan), sts_policy(row.sts), rules);
        plan = with_requiretls(std::move(plan), rules);
        EXPECT_EQ(verdict_of(plan), row.want) << row.name;
        if (plan.halt && plan.halt->verdict == Verdict::bounced) EXPECT_EQ(plan.halt->enhanced, "5.7.10") << row.name;
    }
}

TEST(RequireTls, APolicyThatCanNotBeReadIsNoDefiniteNo) { // SC-122
    const auto rules = rules_of(TlsPolicy::dane);
    const struct {
        Scenario dns;
        Reason doubt;
        const char* want;
    } rows[] = {
        {{MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}}, Reason::dns_error, "defer dns-error"},
        {{MxCase::insecure, AddressCase::insecure, TlsaCase::absent, {}},
         Reason::sts_policy_fetch_error,
         "defer sts-policy-fetch-error"},
        {{MxCase::secure, AddressCase::secure, TlsaCase::usable, {}}, Reason::dns_error, "dane"}, // none is needed
    };
    for (const auto& row : rows) {
        const auto plan = with_requiretls(plan_of(row.dns, rules), rules, StsDoubt{row.doubt, "why"});
        EXPECT_EQ(verdict_of(plan), row.want) << word(row.doubt);
    }
}

TEST(RequireTls, WhatIsADefiniteNo) { // SC-122
    const struct {
        Reason reason;
        int code;
        bool permanent;
    } rows[] = {
        {Reason::tlsa_invalid, 0, true},
        {Reason::certificate_host_mismatch, 0, true},
        {Reason::certificate_expired, 0, true},
        {Reason::starttls_not_supported, 0, false}, // DANE-A10
        {Reason::starttls_not_supported, 502, false},
        {Reason::starttls_not_supported, 454, false},
        {Reason::tls_handshake_failed, 0, false},
        {Reason::dns_error, 0, false},
        {Reason::connect_failed, 0, false},
        {Reason::timeout, 0, false},
        {Reason::smtp_reply, 421, false},
    };
    for (const auto& row : rows) {
        dane::HostFailure failure;
        failure.reason = row.reason;
        failure.code = row.code;
        const auto told = with_requiretls(failure);
        EXPECT_EQ(told.permanent, row.permanent) << word(row.reason) << row.code;
        EXPECT_EQ(told.detail, row.permanent ? "7.10" : "") << word(row.reason) << row.code;
    }
}

} // namespace
} // namespace danelaw::policy
