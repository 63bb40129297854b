// The decision table of RFC 7672 as data, "read from the top, the first row that fits wins", against planner, TLS
// verdict and report classifier over the whole product of its columns. Row numbers are those of the specification's
// section 12; the last one is what reports count (DANE-142).
#include "danelaw/policy/verdict.hpp"

#include "dane/facts_support.hpp"
#include "danelaw/base/text.hpp"

#include <gtest/gtest.h>

namespace danelaw::policy {
namespace {

using dane::Requirement;
using namespace dane::testing;

struct Row {
    int number;
    const char *policy, *insecure_mx, *mx, *address, *tlsa, *starttls, *handshake; // "*": any; "a/b": a or b
    const char *action, *level, *reason, *report;
};

// clang-format off
constexpr Row table[] = {
    {1, "*", "*", "bogus", "*", "*", "*", "*", "defer", "-", "dnssec-invalid", "no-policy-found: dnssec-invalid"},
    {2, "*", "*", "error", "*", "*", "*", "*", "defer", "-", "dns-error", "-"},
    {3, "*", "*", "nxdomain", "*", "*", "*", "*", "bounce", "-", "domain-not-found", "-"},
    {4, "*", "*", "nullmx", "*", "*", "*", "*", "bounce", "-", "no-mail-service", "-"},
    {5, "dane-only", "*", "literal", "*", "*", "*", "*", "next", "-", "dane-required", "-"},
    {6, "dane", "*", "literal", "*", "*", "no", "*", "clear", "none", "-", "-"},
    {7, "dane", "*", "literal", "*", "*", "yes", "fail", "next, clear from 2nd", "none", "tls-handshake-failed", "-"},
    {8, "dane", "*", "literal", "*", "*", "yes", "*", "deliver", "encrypted", "-", "-"},
    {9, "*", "*", "*", "bogus/alias-bogus", "*", "*", "*", "next", "-", "dnssec-invalid", "no-policy-found: dnssec-invalid"},
    {10, "*", "*", "*", "error/alias-error", "*", "*", "*", "next", "-", "dns-error", "-"},
    {11, "*", "*", "*", "absent", "*", "*", "*", "next", "-", "no-usable-host", "-"},
    {12, "dane-only", "*", "insecure", "*", "*", "*", "*", "next", "-", "dane-required", "no-policy-found: dane-required"},
    {13, "dane-only", "*", "*", "insecure", "*", "*", "*", "next", "-", "dane-required", "no-policy-found: dane-required"},
    {14, "dane", "may", "insecure", "*", "*", "no", "*", "clear", "none", "-", "no-policy-found: starttls-not-supported"},
    {15, "dane", "may", "insecure", "*", "*", "yes", "fail", "next, clear from 2nd", "none", "tls-handshake-failed", "no-policy-found: validation-failure"},
    {16, "dane", "may", "insecure", "*", "*", "yes", "*", "deliver", "encrypted", "-", "no-policy-found: success"},
    {17, "dane", "*", "*", "insecure", "*", "no", "*", "clear", "none", "-", "no-policy-found: starttls-not-supported"},
    {18, "dane", "*", "*", "insecure", "*", "yes", "fail", "next, clear from 2nd", "none", "tls-handshake-failed", "no-policy-found: validation-failure"},
    {19, "dane", "*", "*", "insecure", "*", "yes", "*", "deliver", "encrypted", "-", "no-policy-found: success"},
    {20, "*", "*", "*", "*", "bogus", "*", "*", "next", "-", "dnssec-invalid", "tlsa: dnssec-invalid"},
    {21, "*", "*", "*", "*", "error", "*", "*", "next", "-", "dns-error", "tlsa: dnssec-invalid"},
    {22, "dane-only", "*", "*", "*", "absent/insecure", "*", "*", "next", "-", "dane-required", "no-policy-found: dane-required"},
    {23, "dane", "*", "*", "*", "absent/insecure", "no", "*", "clear", "none", "-", "no-policy-found: starttls-not-supported"},
    {24, "dane", "*", "*", "*", "absent/insecure", "yes", "fail", "next, clear from 2nd", "none", "tls-handshake-failed", "no-policy-found: validation-failure"},
    {25, "dane", "*", "*", "*", "absent/insecure", "yes", "*", "deliver", "encrypted", "-", "no-policy-found: success"},
    {26, "dane-only", "*", "*", "*", "unusable", "*", "*", "next", "-", "tlsa-invalid", "tlsa: tlsa-invalid"},
    {27, "dane", "*", "*", "*", "unusable", "no", "*", "next", "-", "starttls-not-supported", "tlsa: tlsa-invalid, tlsa: starttls-not-supported"},
    {28, "dane", "*", "*", "*", "unusable", "yes", "fail", "next", "-", "tls-handshake-failed", "tlsa: tlsa-invalid, tlsa: validation-failure"},
    {29, "dane", "*", "*", "*", "unusable", "yes", "*", "deliver", "encrypted", "-", "tlsa: tlsa-invalid"},
    {30, "dane", "encrypt", "insecure", "*", "usable", "no", "*", "next", "-", "starttls-not-supported", "tlsa: starttls-not-supported"},
    {31, "dane", "encrypt", "insecure", "*", "usable", "yes", "fail", "next", "-", "tls-handshake-failed", "tlsa: validation-failure"},
    {32, "dane", "encrypt", "insecure", "*", "usable", "yes", "*", "deliver", "encrypted", "-", "no-policy-found: success"},
    {33, "*", "*", "*", "*", "usable", "no", "*", "next", "-", "starttls-not-supported", "tlsa: starttls-not-supported"},
    {34, "*", "*", "*", "*", "usable", "yes", "fail", "next", "-", "tls-handshake-failed", "tlsa: validation-failure"},
    {35, "*", "*", "*", "*", "usable", "yes", "nomatch", "next", "-", "tlsa-invalid", "tlsa: tlsa-invalid"},
    {36, "*", "*", "*", "*", "usable", "yes", "chain", "next", "-", "certificate-not-trusted", "tlsa: certificate-not-trusted"},
    {37, "*", "*", "*", "*", "usable", "yes", "name", "next", "-", "certificate-host-mismatch", "tlsa: certificate-host-mismatch"},
    {38, "*", "*", "*", "*", "usable", "yes", "expired", "next", "-", "certificate-expired", "tlsa: certificate-expired"},
    {39, "dane", "*", "insecure", "*", "usable", "yes", "ok", "deliver", "dane, secured=false", "-", "tlsa: success"},
    {40, "*", "*", "*", "*", "usable", "yes", "ok", "deliver", "dane, secured=true", "-", "tlsa: success"},
};
// clang-format on

bool fits(std::string_view column, std::string_view value) {
    if (column == "*") return true;
    for (const auto& one : split(column, '/'))
        if (one == value) return true;
    return false;
}

enum class Handshake { ok, nomatch, chain, name, expired, fail };
constexpr std::pair<Handshake, const char*> handshakes[] = {
    {Handshake::ok, "ok"},     {Handshake::nomatch, "nomatch"}, {Handshake::chain, "chain"},
    {Handshake::name, "name"}, {Handshake::expired, "expired"}, {Handshake::fail, "fail"},
};

Reason reason_of(Handshake h) {
    switch (h) {
    case Handshake::nomatch: return Reason::tlsa_invalid;
    case Handshake::chain: return Reason::certificate_not_trusted;
    case Handshake::name: return Reason::certificate_host_mismatch;
    case Handshake::expired: return Reason::certificate_expired;
    case Handshake::fail: return Reason::tls_handshake_failed;
    case Handshake::ok: return Reason::none;
    }
    return Reason::none;
}

std::string text(Reason r) {
    return r == Reason::none ? "-" : std::string(word(r));
}

std::string text(const std::vector<ReportedResult>& results) {
    std::string out;
    for (const auto& one : results) {
        const char* policy = one.policy == ReportedPolicy::tlsa  ? "tlsa"
                             : one.policy == ReportedPolicy::sts ? "sts"
                                                                 : "no-policy-found";
        out += (out.empty() ? "" : ", ") + std::string(policy) + ": " +
               (one.result == Reason::none ? "success" : std::string(word(one.result)));
    }
    return out.empty() ? "-" : out;
}

std::string joined(std::string_view action, std::string_view level, std::string_view reason, std::string_view report) {
    return std::string(action) + " | " + std::string(level) + " | " + std::string(reason) + " | " + std::string(report);
}

// What the product makes of one combination.
std::string outcome(const dane::Plan& plan, bool starttls, Handshake handshake) {
    if (plan.hosts.empty())
        return joined(plan.halt->verdict == Verdict::bounced ? "bounce" : "defer", "-", text(plan.halt->reason),
                      text(report_halted(plan)));
    const auto& host = plan.hosts.front();
    if (host.requirement == Requirement::skip) {
        EXPECT_TRUE(host.addresses.empty()) << "no connection (DANE-052)";
        return joined("next", "-", text(host.skip_reason), text(report_skipped(host)));
    }
    const bool judged = host.requirement == Requirement::dane; // else nothing but "a session came about" matters
    TlsFinding finding;
    finding.event = !starttls                      ? TlsEvent::not_offered
                    : handshake == Handshake::fail ? TlsEvent::broken
                    : handshake == Handshake::ok   ? TlsEvent::passed
                    : judged                       ? TlsEvent::unverified
                                                   : TlsEvent::passed;
    finding.reason = starttls ? reason_of(handshake) : Reason::starttls_not_supported;
    const auto report = text(report_session(host, finding));
    const auto first = after_tls(host, finding.event, 0), later = after_tls(host, finding.event, 1);
    if (first == TlsNext::clear_here) return joined("clear", "none", "-", report);
    if (first == TlsNext::send) {
        const char* level = !judged ? "encrypted" : host.secured ? "dane, secured=true" : "dane, secured=false";
        return joined("deliver", level, "-", report);
    }
    if (later == TlsNext::clear_anew) return joined("next, clear from 2nd", "none", text(finding.reason), report);
    EXPECT_EQ(later, TlsNext::next_address);
    return joined("next", "-", text(finding.reason), report);
}

TEST(DecisionTable, HoldsOverTheWholeProduct) { // DANE-121…126, DANE-130
    std::vector<int> hits(std::size(table) + 1);
    for (const auto policy : {TlsPolicy::dane, TlsPolicy::dane_only})
        for (const auto weak : {dane::InsecureMx::dane, dane::InsecureMx::encrypt, dane::InsecureMx::may})
            for (int m = 0; m <= static_cast<int>(MxCase::literal); ++m)
                for (int a = 0; a <= static_cast<int>(AddressCase::absent); ++a)
                    for (int t = 0; t <= static_cast<int>(TlsaCase::error); ++t)
                        for (const bool starttls : {false, true})
                            for (const auto& [handshake, handshake_word] : handshakes) {
                                const Scenario s{
                                    static_cast<MxCase>(m), static_cast<AddressCase>(a), static_cast<TlsaCase>(t), {}};
                                dane::TlsRules rules;
                                rules.policy = policy;
                                rules.insecure_mx = weak;
                                // Where the MX alone rules DANE out the first alias is not asked for: its failing does
                                // not come to light.
                                auto address = std::string(word(s.address));
                                if (address.starts_with("alias-") && !gather(s, rules).alias_asked) address = "alias";
                                const Row* row = nullptr;
                                for (const auto& one : table)
                                    if (!row && fits(one.policy, word(policy)) && fits(one.insecure_mx, word(weak)) &&
                                        fits(one.mx, word(s.mx)) && fits(one.address, address) &&
                                        fits(one.tlsa, word(s.tlsa)) && fits(one.starttls, starttls ? "yes" : "no") &&
                                        fits(one.handshake, handshake_word))
                                        row = &one;
                                ASSERT_TRUE(row);
                                ++hits[static_cast<std::size_t>(row->number)];
                                const auto want = joined(row->action, row->level, row->reason, row->report);
                                ASSERT_EQ(outcome(plan_of(s, rules), starttls, handshake), want)
                                    << "row " << row->number << ": " << word(policy) << " " << word(weak) << " MX "
                                    << word(s.mx) << " address " << address << " TLSA " << word(s.tlsa) << " STARTTLS "
                                    << starttls << " handshake " << handshake_word;
                            }
    for (const auto& row : table) EXPECT_GT(hits[static_cast<std::size_t>(row.number)], 0) << "row " << row.number;
}

TEST(DecisionTable, OtherPolicies) { // "Other policies, host by host" under the table
    struct {
        TlsPolicy policy;
        bool starttls;
        Handshake handshake;
        const char* want;
    } const rows[] = {
        {TlsPolicy::none, true, Handshake::ok, "clear | none | - | -"},
        {TlsPolicy::may, false, Handshake::ok, "clear | none | - | no-policy-found: starttls-not-supported"},
        {TlsPolicy::may, true, Handshake::fail,
         "next, clear from 2nd | none | tls-handshake-failed | no-policy-found: validation-failure"},
        {TlsPolicy::may, true, Handshake::ok, "deliver | encrypted | - | no-policy-found: success"},
        {TlsPolicy::encrypt, false, Handshake::ok,
         "next | - | starttls-not-supported | no-policy-found: starttls-not-supported"},
        {TlsPolicy::encrypt, true, Handshake::fail,
         "next | - | tls-handshake-failed | no-policy-found: validation-failure"},
        {TlsPolicy::encrypt, true, Handshake::ok, "deliver | encrypted | - | no-policy-found: success"},
        {TlsPolicy::verify, false, Handshake::ok,
         "next | - | starttls-not-supported | no-policy-found: starttls-not-supported"},
    };
    for (const auto& row : rows) {
        dane::TlsRules rules;
        rules.policy = row.policy;
        EXPECT_EQ(outcome(plan_of({}, rules), row.starttls, row.handshake), row.want) << word(row.policy);
    }
}

} // namespace
} // namespace danelaw::policy
