// What the remote should mend, in words, by what a check found (H68, H69, H74; RFC 7671 8).
#include "danelaw/delivery/check.hpp"

#include "danelaw/base/text.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace danelaw::delivery {
namespace {

using dane::Requirement;
using dane::Seen;
using Kind = KeyProbe::Kind;

const Time at = Time(std::chrono::hours(24 * 20000)); // 2024-10-04
const std::string key_digest(64, 'a');

dns::Name name(const char* text) {
    return dns::Name::from(text).value();
}

tls::Outcome outcome(Reason reason, std::chrono::days left = std::chrono::days(60)) {
    tls::Outcome out;
    out.passed = reason == Reason::none;
    out.reason = reason;
    out.text = "as the verifier says";
    tls::CertificateFacts leaf;
    leaf.names = {"other.test"};
    leaf.not_before = at - std::chrono::days(90);
    leaf.not_after = at + left;
    leaf.spki_sha256 = key_digest;
    leaf.key = "EC P-256";
    out.chain = {leaf};
    return out;
}

Probe passing(Level level, std::chrono::days left = std::chrono::days(60)) {
    Probe out;
    out.endpoint = {IpAddress::parse("192.0.2.1").value(), 25};
    out.ok = out.starttls = true;
    out.level = level;
    out.tls = outcome(Reason::none, left);
    return out;
}

Probe failing(Reason reason, const char* address = "192.0.2.1") {
    Probe out;
    out.endpoint = {IpAddress::parse(address).value(), 25};
    out.starttls = true;
    out.tls = outcome(reason);
    ChannelFailure failure;
    failure.reason = reason;
    failure.text = "as the server says";
    out.failure = std::move(failure);
    return out;
}

// A domain that is signed, with one MX host under DANE, and what a test changes in it.
struct Case {
    dane::HostPlan host;
    std::vector<Probe> probes;
    Seen mx = Seen::secure;
    TlsPolicy policy = TlsPolicy::dane;
    std::optional<dane::Halt> halt;
    bool hosts = true;
    bool looked_up = true;
};

Case good() {
    Case c;
    c.host.name = name("mx.ex.test");
    c.host.tlsa_base = c.host.name;
    c.host.reference_names = {"mx.ex.test", "ex.test"};
    c.host.sni = "mx.ex.test";
    c.host.requirement = Requirement::dane;
    c.host.mx = c.host.address = c.host.tlsa = Seen::secure;
    c.host.rrset = {{3, 1, 1, std::string(32, 'x')}};
    c.host.secured = true;
    c.probes = {passing(Level::dane_ee)};
    return c;
}

std::unique_ptr<CheckReport> report_of(const Case& c) {
    auto report = std::make_unique<CheckReport>();
    report->route.destination.rules.policy = c.policy;
    auto& plan = report->route.plan;
    plan.next_hop.name = name("ex.test");
    plan.mx = c.mx;
    plan.halt = c.halt;
    if (c.hosts) plan.hosts = {c.host};
    if (c.hosts && c.looked_up) {
        dane::HostFacts facts;
        facts.name = c.host.name;
        facts.tlsa = {{name("mx.ex.test"), {}}};
        report->route.facts.hosts = {facts};
    }
    for (const auto& host : plan.hosts) report->hosts.push_back({&host, c.probes});
    advise(*report, at);
    return report;
}

Case with(const std::function<void(Case&)>& change) {
    Case c = good();
    change(c);
    return c;
}

Case skipped(Reason reason, Seen address, Seen tlsa) {
    return with([&](Case& c) {
        c.host.requirement = Requirement::skip;
        c.host.skip_reason = reason;
        c.host.address = address;
        c.host.tlsa = tlsa;
        c.host.rrset.clear();
        c.host.why = "what decided";
        c.probes.clear();
    });
}

Case halted(Reason reason, Verdict verdict) {
    return with([&](Case& c) {
        c.hosts = false;
        dane::Halt halt;
        halt.reason = reason;
        halt.verdict = verdict;
        c.halt = halt;
    });
}

Case two_kinds(Kind ecdsa, Kind rsa, Reason reason) {
    return with([&](Case& c) {
        c.probes.front().ecdsa.kind = ecdsa;
        c.probes.front().rsa.kind = rsa;
        auto& failing_one = ecdsa == Kind::fails ? c.probes.front().ecdsa : c.probes.front().rsa;
        failing_one.tls = outcome(reason);
    });
}

TEST(Advice, Table) {
    const std::string record = "_25._tcp.mx.ex.test. IN TLSA 3 1 1 " + key_digest;
    const auto fails = [](Reason reason, Requirement requirement = Requirement::dane) {
        return with([&](Case& c) {
            c.probes = {failing(reason)};
            c.host.requirement = requirement;
            if (requirement != Requirement::dane) c.host.rrset.clear();
        });
    };
    struct Row {
        const char* what;
        Case given;
        std::vector<std::string> want; // a piece of each line
    };
    const Row rows[] = {
        {"all is well", good(), {}},
        {"wrong key", fails(Reason::tlsa_invalid), {"mx.ex.test: the certificate matches no TLSA record"}},
        {"the record to publish", fails(Reason::tlsa_invalid), {record}},
        {"wrong name", fails(Reason::certificate_host_mismatch), {"mx.ex.test or ex.test; it has other.test"}},
        {"out of date", fails(Reason::certificate_expired), {"2024-07-06 to 2024-12-03): renew"}},
        {"H69 anchor not sent", fails(Reason::certificate_not_trusted), {"up to the trust anchor"}},
        {"web PKI", fails(Reason::certificate_not_trusted, Requirement::pkix), {"of a public CA"}},
        {"promised by TLSA", fails(Reason::starttls_not_supported), {"offered and then refused; its TLSA"}},
        {"promised by MTA-STS", fails(Reason::starttls_not_supported, Requirement::mta_sts), {"its MTA-STS policy"}},
        {"ours to demand", fails(Reason::starttls_not_supported, Requirement::encrypt), {"a policy of this relay"}},
        {"handshake", fails(Reason::tls_handshake_failed), {"TLS 1.2 or later", "server name mx.ex.test"}},
        {"dead", fails(Reason::connect_failed), {"port 25 can't be used"}},
        {"silent", fails(Reason::timeout), {"port 25 can't be used"}},
        {"turned away", fails(Reason::smtp_reply), {"turns us away: as the server says"}},
        {"ourselves", fails(Reason::mail_loop), {"come back to this relay"}},
        {"DANE-064",
         with([](Case& c) { c.host.tlsa_unusable = true, c.host.requirement = Requirement::encrypt; }),
         {"no TLSA record is usable"}},
        {"bogus", skipped(Reason::dnssec_invalid, Seen::secure, Seen::bogus), {"sign the zone anew", "what decided"}},
        {"DANE-052", skipped(Reason::dns_error, Seen::secure, Seen::error), {"must answer TLSA queries"}},
        {"address fails", skipped(Reason::dns_error, Seen::error, Seen::not_queried), {"name servers must answer:"}},
        {"no address", skipped(Reason::no_usable_host, Seen::absent, Seen::not_queried), {"drop its MX record"}},
        {"dane-only",
         skipped(Reason::dane_required, Seen::insecure, Seen::not_queried),
         {"policy for ex.test is dane"}},
        {"MX bogus", halted(Reason::dnssec_invalid, Verdict::deferred), {"ex.test: sign the zone anew"}},
        {"MX fails", halted(Reason::dns_error, Verdict::deferred), {"must answer MX queries"}},
        {"no such domain", halted(Reason::domain_not_found, Verdict::bounced), {"is the name written"}},
        {"a null MX is meant", halted(Reason::no_mail_service, Verdict::bounced), {}},
        {"H74 RSA not covered",
         two_kinds(Kind::passes, Kind::fails, Reason::tlsa_invalid),
         {"cover the ECDSA certificate only, not the RSA one", record}},
        {"H74 ECDSA not covered",
         two_kinds(Kind::fails, Kind::passes, Reason::tlsa_invalid),
         {"cover the RSA certificate only, not the ECDSA one"}},
        {"H74 RSA by another name",
         two_kinds(Kind::passes, Kind::fails, Reason::certificate_host_mismatch),
         {"the RSA one, which other senders negotiate, does not (certificate-host-mismatch)"}},
        {"both covered", two_kinds(Kind::passes, Kind::passes, Reason::none), {}},
        {"one certificate", two_kinds(Kind::passes, Kind::absent, Reason::none), {}},
        {"the other not seen", two_kinds(Kind::passes, Kind::unknown, Reason::none), {}},
    };
    for (const Row& row : rows) {
        const auto report = report_of(row.given);
        std::string all;
        for (const auto& line : report->advice) all += line + "\n";
        EXPECT_EQ(report->advice.empty(), row.want.empty()) << row.what << "\n" << all;
        for (const auto& piece : row.want) EXPECT_NE(all.find(piece), std::string::npos) << row.what << "\n" << all;
    }
}

TEST(Advice, OneLineForWhatAllAddressesShare) {
    Case c = good();
    c.probes = {failing(Reason::connect_failed, "192.0.2.1"), failing(Reason::connect_failed, "192.0.2.2")};
    ASSERT_EQ(report_of(c)->advice.size(), 1U);
    EXPECT_TRUE(report_of(c)->advice.front().starts_with("mx.ex.test: "));
    c.probes.push_back(failing(Reason::certificate_expired, "2001:db8::3"));
    const auto report = report_of(c);
    ASSERT_EQ(report->advice.size(), 2U);
    EXPECT_TRUE(report->advice[0].starts_with("mx.ex.test at 192.0.2.1, 192.0.2.2: "));
    EXPECT_TRUE(report->advice[1].starts_with("mx.ex.test at 2001:db8::3: "));
}

TEST(Hints, Table) {
    const auto unprotected = [](Case& c) {
        c.host.requirement = Requirement::may;
        c.host.tlsa = Seen::absent;
        c.host.tlsa_base = {};
        c.host.rrset.clear();
        c.probes = {passing(Level::encrypted)};
    };
    const auto ending = [](Level level, int days) {
        return with([&](Case& c) { c.probes = {passing(level, std::chrono::days(days))}; });
    };
    struct Row {
        const char* what;
        Case given;
        std::string want; // "" for none
    };
    const Row rows[] = {
        {"all is well", good(), ""},
        {"only the record is missing", with(unprotected), "one record away from DANE: _25._tcp.mx.ex.test. IN TLSA"},
        {"nobody to ask for the key", with([&](Case& c) { unprotected(c), c.probes.clear(); }), ""},
        {"DANE-028", with([](Case& c) { c.mx = c.host.mx = Seen::insecure, c.host.secured = false; }),
         "ex.test: the zone is not signed"},
        {"host elsewhere, unsigned",
         with([&](Case& c) { unprotected(c), c.host.address = Seen::insecure, c.host.tlsa = Seen::not_queried; }),
         "mx.ex.test: its address is not signed"},
        {"other policies don't ask", with([&](Case& c) { unprotected(c), c.policy = TlsPolicy::may; }), ""},
        {"DANE-061", with([](Case& c) { c.host.rrset.push_back({1, 1, 1, std::string(32, 'y')}); }),
         "1 of its TLSA records can't be used"},
        {"ends soon, and counts", ending(Level::dane_ta, 5), "the certificate ends on 2024-10-09"},
        {"ends later", ending(Level::dane_ta, 15), ""},
        {"DANE-081: dates don't count", ending(Level::dane_ee, 5), ""},
        {"MS-044", with([&](Case& c) {
             unprotected(c);
             c.host.tlsa = Seen::not_queried;
             c.probes.front().tls->web_pki = Reason::certificate_expired;
         }),
         "testing mode; enforced, it would fail (certificate-expired)"},
    };
    for (const Row& row : rows) {
        const auto report = report_of(row.given);
        std::string all;
        for (const auto& line : report->hints) all += line + "\n";
        EXPECT_EQ(report->hints.empty(), row.want.empty()) << row.what << "\n" << all;
        EXPECT_NE(all.find(row.want), std::string::npos) << row.what << "\n" << all;
    }
}

TEST(Covered, Table) { // H74
    struct Row {
        Kind ecdsa, rsa;
        std::string_view want;
    };
    const Row rows[] = {
        {Kind::passes, Kind::passes, "both"},   {Kind::passes, Kind::fails, "ecdsa"},
        {Kind::fails, Kind::passes, "rsa"},     {Kind::fails, Kind::fails, "none"},
        {Kind::passes, Kind::absent, ""},       {Kind::absent, Kind::fails, ""},
        {Kind::not_tried, Kind::not_tried, ""}, {Kind::passes, Kind::unknown, ""},
    };
    for (const Row& row : rows) {
        Probe probe;
        probe.ecdsa.kind = row.ecdsa;
        probe.rsa.kind = row.rsa;
        EXPECT_EQ(covered(probe), row.want);
    }
}

} // namespace
} // namespace danelaw::delivery
