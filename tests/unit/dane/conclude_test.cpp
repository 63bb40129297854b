// When no host was left: D-32, DANE-124, SC-009, SC-093.
#include "facts_support.hpp"

#include <gtest/gtest.h>

namespace danelaw::dane::testing {
namespace {

HostFailure failure(Reason reason, bool permanent = false, HostFailure::Demand demand = HostFailure::Demand::policy) {
    return {name("mx.example.org"), reason, "text", "", permanent, demand};
}

TEST(Conclude, Table) {
    using enum Reason;
    const auto opportunistic = failure(tls_handshake_failed, false, HostFailure::Demand::opportunistic);
    const auto gone = failure(no_usable_host, true);
    struct {
        const char* name;
        std::vector<HostFailure> failures;
        const char* want;
        const char* want_bounce; // under on_failure: bounce
    } const rows[] = {
        {"fail closed: nothing known", {}, "deferred no-usable-host 4.4.4", "deferred no-usable-host 4.4.4"},
        {"DANE-124 all failed policy",
         {failure(tlsa_invalid), failure(certificate_expired)},
         "deferred tlsa-invalid 4.7.5",
         "bounced tlsa-invalid 5.7.5"},
        {"D-31 never for the 5xx, but by on_failure",
         {failure(starttls_not_supported)},
         "deferred starttls-not-supported 4.7.4",
         "bounced starttls-not-supported 5.7.4"},
        {"contract: on_failure not for bogus lookups",
         {failure(dnssec_invalid)},
         "deferred dnssec-invalid 4.4.3",
         "deferred dnssec-invalid 4.4.3"},
        {"contract: nor failed ones",
         {failure(tlsa_invalid), failure(dns_error)},
         "deferred tlsa-invalid 4.7.5",
         "deferred tlsa-invalid 4.7.5"},
        {"SC-093 a refused connection keeps it alive",
         {failure(tlsa_invalid), failure(connect_failed)},
         "deferred tlsa-invalid 4.7.5",
         "deferred tlsa-invalid 4.7.5"},
        {"D-32 policy before dnssec-invalid before dns-error before the rest",
         {failure(connect_failed), failure(dns_error), failure(dnssec_invalid), failure(dane_required)},
         "deferred dane-required 4.7.5",
         "deferred dane-required 4.7.5"},
        {"D-32 dnssec-invalid before dns-error",
         {failure(dns_error), failure(dnssec_invalid)},
         "deferred dnssec-invalid 4.4.3",
         "deferred dnssec-invalid 4.4.3"},
        {"D-32 the best-preferred among equals",
         {failure(timeout), failure(connect_failed)},
         "deferred timeout 4.4.2",
         "deferred timeout 4.4.2"},
        {"D-13 all proven absent", {gone, gone}, "bounced no-usable-host 5.4.4", "bounced no-usable-host 5.4.4"},
        {"SC-093 absent and timed out", {gone, failure(timeout)}, "deferred timeout 4.4.2", "deferred timeout 4.4.2"},
        {"absent hosts are no hosts: the others failed policy",
         {gone, failure(tlsa_invalid)},
         "deferred tlsa-invalid 4.7.5",
         "bounced tlsa-invalid 5.7.5"},
        {"D-30 a broken handshake under may is no failed policy",
         {opportunistic},
         "deferred tls-handshake-failed 4.7.5",
         "deferred tls-handshake-failed 4.7.5"},
        {"D-14 greetings that bounce",
         {failure(smtp_reply, true), failure(smtp_reply, true)},
         "bounced smtp-reply 5.0.0",
         "bounced smtp-reply 5.0.0"},
    };
    for (const auto& row : rows) {
        for (const auto on_failure : {OnFailure::defer, OnFailure::bounce}) {
            TlsRules rules;
            rules.on_failure = on_failure;
            const auto end = conclude(row.failures, rules);
            const std::string got = std::string(danelaw::word(end.verdict)) + " " +
                                    std::string(danelaw::word(end.reason)) + " " + end.enhanced;
            EXPECT_EQ(got, on_failure == OnFailure::defer ? row.want : row.want_bounce) << row.name;
        }
    }
}

TEST(Conclude, FailedTlsaLookupsHaveTheirOwnStatus) { // SC-096
    const auto made = plan_of({MxCase::secure, AddressCase::secure, TlsaCase::error, {}}, {});
    ASSERT_TRUE(made.halt);
    EXPECT_EQ(made.halt->enhanced, "4.7.5");
    EXPECT_EQ(made.halt->text, "mx.example.org: TLSA lookup of mx.example.org failed: SERVFAIL");
    EXPECT_EQ(plan_of({MxCase::secure, AddressCase::bogus, TlsaCase::usable, {}}, {}).halt->enhanced, "4.4.3");
}

} // namespace
} // namespace danelaw::dane::testing
