// Every way a chain can pass or fail under TLSA records, live (TLS 1.3 and 1.2) and offline, which must agree
// (DANE-130, DANE-147).
#include "danelaw/dane/tlsa.hpp"
#include "support/pki.hpp"

#include <gtest/gtest.h>

namespace danelaw::tls::test {
namespace {

const std::string base = "mx.ex.test";

CertSpec leaf_spec(const std::string& sans = "DNS:mx.ex.test") {
    CertSpec spec;
    spec.sans = sans;
    return spec;
}

template <class Change> Identity leaf(const Identity* issuer, Change change) {
    CertSpec spec = leaf_spec();
    change(spec);
    return issue(spec, issuer);
}

// One small public key infrastructure, made once: building it costs more than all handshakes.
struct World {
    Identity root = authority("root"), other_root = authority("other root");
    Identity inter = authority("inter", &root);
    Identity good = issue(leaf_spec(), &inter);
    Identity by_root = issue(leaf_spec(), &root);
    Identity self = issue(leaf_spec());
    Identity expired = leaf(&inter, [](CertSpec& s) { s.to_days = -1; });
    Identity future = leaf(&inter, [](CertSpec& s) { s.from_days = 1; });
    Identity wrong_name = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:other.test"; });
    Identity next_hop_name = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:ex.test"; });
    Identity client_only = leaf(&inter, [](CertSpec& s) { s.eku = "clientAuth"; });
    Identity cn_only = leaf(&inter, [](CertSpec& s) { s.sans = "", s.cn = base; });
    Identity cn_right_san_other = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:other.test", s.cn = base; });
    Identity cn_right_ip_san = leaf(&inter, [](CertSpec& s) { s.sans = "IP:192.0.2.1", s.cn = base; });
    Identity ip_only = leaf(&inter, [](CertSpec& s) { s.sans = "IP:192.0.2.1"; });
    Identity email_only = leaf(&inter, [](CertSpec& s) { s.sans = "email:postmaster@mx.ex.test"; });
    Identity star = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:*.ex.test"; });
    Identity partial_star = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:m*.ex.test"; });
    Identity two_stars = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:*.*.test"; });
    Identity top_star = leaf(&inter, [](CertSpec& s) { s.sans = "DNS:*.test"; });
    Identity v1 = leaf(nullptr, [](CertSpec& s) { s.version = X509_VERSION_1; });
    Identity weak_rsa = leaf(&inter, [](CertSpec& s) { s.key = KeyKind::rsa1024; });
    Identity rsa = leaf(&inter, [](CertSpec& s) { s.key = KeyKind::rsa2048; });
    Identity sha1 = leaf(&inter, [](CertSpec& s) { s.md = EVP_sha1(); });
    Identity unsigned_by_inter = issue(leaf_spec(), &inter, other_root.key.get());
    Identity no_ca = issue(CertSpec{.cn = "no ca", .sans = "", .basic = "critical,CA:FALSE"}, &root);
    Identity by_no_ca = issue(leaf_spec(), &no_ca);
    Identity short_root = issue(CertSpec{.cn = "short root", .sans = "", .basic = "critical,CA:TRUE,pathlen:0"});
    Identity below_short = authority("below short", &short_root);
    Identity too_long = issue(leaf_spec(), &below_short);
    Identity old_inter = issue(CertSpec{.cn = "old inter", .to_days = -1, .basic = "critical,CA:TRUE"}, &root);
    Identity by_old_inter = issue(leaf_spec(), &old_inter);
    Identity future_inter = issue(CertSpec{.cn = "future inter", .from_days = 1, .basic = "critical,CA:TRUE"}, &root);
    Identity by_future_inter = issue(leaf_spec(), &future_inter);
    Identity old_root = issue(CertSpec{.cn = "old root", .to_days = -1, .basic = "critical,CA:TRUE"});
    Identity by_old_root = issue(leaf_spec(), &old_root);
    Identity narrow = issue(
        CertSpec{.cn = "narrow", .basic = "critical,CA:TRUE", .name_constraints = "critical,permitted;DNS:other.test"},
        &root);
    Identity by_narrow = issue(leaf_spec(), &narrow);
    Identity stranger = issue(leaf_spec("DNS:stranger.test"));
};

const World& world() {
    static const World w;
    return w;
}

struct Case {
    const char* name;
    std::vector<const Identity*> chain;
    std::vector<dns::Tlsa> records;
    const char* want; // a level, or a reason
    int depth = 0;
    std::vector<std::string> names = {base};
};

std::vector<Case> ee_cases() { // DANE-EE(3): section 5
    const World& w = world();
    dns::Tlsa short_digest = tlsa(3, 1, 1, w.good);
    short_digest.data.pop_back();
    dns::Tlsa short_512 = wrong(3, 1, 2);
    short_512.data.pop_back();
    dns::Tlsa private_use = tlsa(3, 1, 1, w.good);
    private_use.matching = 255;
    dns::Tlsa with_tail = tlsa(3, 0, 0, w.good);
    with_tail.data += '\0';
    return {
        {"DANE-080 3 0 0", {&w.good, &w.inter}, {tlsa(3, 0, 0, w.good)}, "dane-ee"},
        {"DANE-080 3 0 1", {&w.good, &w.inter}, {tlsa(3, 0, 1, w.good)}, "dane-ee"},
        {"DANE-080 3 0 2", {&w.good, &w.inter}, {tlsa(3, 0, 2, w.good)}, "dane-ee"},
        {"DANE-080 3 1 0", {&w.good, &w.inter}, {tlsa(3, 1, 0, w.good)}, "dane-ee"},
        {"DANE-080 3 1 1", {&w.good, &w.inter}, {tlsa(3, 1, 1, w.good)}, "dane-ee"},
        {"DANE-080 3 1 2", {&w.good, &w.inter}, {tlsa(3, 1, 2, w.good)}, "dane-ee"},
        {"DANE-080 leaf alone", {&w.good}, {tlsa(3, 1, 1, w.good)}, "dane-ee"},
        {"DANE-080 junk behind the leaf", {&w.good, &w.stranger}, {tlsa(3, 1, 1, w.good)}, "dane-ee"},
        {"DANE-080 the issuer's key only", {&w.good, &w.inter}, {tlsa(3, 1, 1, w.inter)}, "tlsa-invalid"},
        {"DANE-A07 another certificate for the name", {&w.by_root}, {tlsa(3, 1, 1, w.good)}, "tlsa-invalid"},
        {"DANE-081 self-signed", {&w.self}, {tlsa(3, 1, 1, w.self)}, "dane-ee"},
        {"DANE-081 expired", {&w.expired}, {tlsa(3, 1, 1, w.expired)}, "dane-ee"},
        {"DANE-081 not yet valid", {&w.future}, {tlsa(3, 0, 1, w.future)}, "dane-ee"},
        {"DANE-081 another name", {&w.wrong_name}, {tlsa(3, 1, 1, w.wrong_name)}, "dane-ee"},
        {"DANE-081 clientAuth only", {&w.client_only}, {tlsa(3, 1, 1, w.client_only)}, "dane-ee"},
        {"DANE-081 X.509 v1", {&w.v1}, {tlsa(3, 1, 1, w.v1)}, "dane-ee"},
        {"DANE-081 broken chain", {&w.unsigned_by_inter, &w.inter}, {tlsa(3, 1, 1, w.unsigned_by_inter)}, "dane-ee"},
        {"DANE-081 SHA-1 signature", {&w.sha1, &w.inter}, {tlsa(3, 1, 1, w.sha1)}, "dane-ee"},
        {"DANE-082 RSA-1024", {&w.weak_rsa}, {tlsa(3, 1, 1, w.weak_rsa)}, "dane-ee"},
        {"DANE-082 RSA-2048", {&w.rsa}, {tlsa(3, 1, 1, w.rsa)}, "dane-ee"},
        {"D-01 nothing matches", {&w.good, &w.inter}, {wrong(3, 1, 1)}, "tlsa-invalid"},
        {"DANE-143 old and new key", {&w.good}, {tlsa(3, 1, 1, w.self), tlsa(3, 1, 1, w.good)}, "dane-ee"},
        {"DANE-067 strongest digest alone counts", {&w.good}, {tlsa(3, 1, 1, w.good), wrong(3, 1, 2)}, "tlsa-invalid"},
        {"DANE-067 agility is per selector", {&w.good}, {tlsa(3, 1, 1, w.good), wrong(3, 0, 2)}, "dane-ee"},
        {"DANE-068 a malformed digest is not strongest", {&w.good}, {tlsa(3, 1, 1, w.good), short_512}, "dane-ee"},
        {"DANE-069 full records stay", {&w.good}, {tlsa(3, 1, 0, w.good), wrong(3, 1, 2)}, "dane-ee"},
        {"DANE-065 unusable beside a match", {&w.good}, {private_use, tlsa(3, 1, 1, w.good)}, "dane-ee"},
        {"DANE-065 unusable beside no match", {&w.good}, {private_use, wrong(3, 1, 1)}, "tlsa-invalid"},
        {"DANE-061 1 1 1 right, 3 1 1 wrong", {&w.good}, {tlsa(1, 1, 1, w.good), wrong(3, 1, 1)}, "tlsa-invalid"},
        {"DANE-064 1 1 1 alone", {&w.good}, {tlsa(1, 1, 1, w.good)}, "encrypted"},
        {"DANE-064 0 0 1 alone", {&w.good, &w.inter, &w.root}, {tlsa(0, 0, 1, w.root)}, "encrypted"},
        {"DANE-062 short digest alone", {&w.good}, {short_digest}, "encrypted"},
        {"DANE-062 certificate with a tail", {&w.good}, {with_tail}, "encrypted"},
        {"DANE-072 private use alone", {&w.good}, {private_use}, "encrypted"},
        {"H68 3 0 1 with the key's digest",
         {&w.good, &w.inter},
         {{3, 0, 1, tlsa(3, 1, 1, w.good).data}},
         "tlsa-invalid"},
        {"H68 3 1 1 with the certificate's digest",
         {&w.good, &w.inter},
         {{3, 1, 1, tlsa(3, 0, 1, w.good).data}},
         "tlsa-invalid"},
    };
}

std::vector<Case> ta_cases() { // DANE-TA(2): section 6
    const World& w = world();
    return {
        {"H54 private root on the wire", {&w.good, &w.inter, &w.root}, {tlsa(2, 0, 1, w.root)}, "dane-ta", 2},
        {"DANE-090 root's key", {&w.by_root, &w.root}, {tlsa(2, 1, 1, w.root)}, "dane-ta", 1},
        {"DANE-092 the anchor is an intermediate", {&w.good, &w.inter}, {tlsa(2, 1, 1, w.inter)}, "dane-ta", 1},
        {"DANE-093 2 0 1 not sent", {&w.good, &w.inter}, {tlsa(2, 0, 1, w.root)}, "tlsa-invalid"},
        {"DANE-093 2 1 1 not sent", {&w.good}, {tlsa(2, 1, 1, w.inter)}, "tlsa-invalid"},
        {"DANE-094 2 0 0 root in DNS only", {&w.good, &w.inter}, {tlsa(2, 0, 0, w.root)}, "dane-ta", 2},
        {"DANE-094 2 0 0 intermediate in DNS only", {&w.good}, {tlsa(2, 0, 0, w.inter)}, "dane-ta", 1},
        {"DANE-094 2 1 0 key above the intermediate", {&w.good, &w.inter}, {tlsa(2, 1, 0, w.root)}, "dane-ta", 2},
        {"DANE-094 2 1 0 key above the leaf", {&w.by_root}, {tlsa(2, 1, 0, w.root)}, "dane-ta", 1},
        {"H58 2 1 0 another key signed", {&w.unsigned_by_inter}, {tlsa(2, 1, 0, w.inter)}, "tlsa-invalid"},
        {"H58 2 1 0 expired intermediate",
         {&w.by_old_inter, &w.old_inter},
         {tlsa(2, 1, 0, w.root)},
         "certificate-expired"},
        {"DANE-090 bad signature",
         {&w.unsigned_by_inter, &w.inter},
         {tlsa(2, 0, 1, w.inter)},
         "certificate-not-trusted"},
        {"DANE-090 issuer is no CA",
         {&w.by_no_ca, &w.no_ca, &w.root},
         {tlsa(2, 0, 1, w.root)},
         "certificate-not-trusted"},
        {"DANE-090 the anchor itself is no CA",
         {&w.by_no_ca, &w.no_ca},
         {tlsa(2, 0, 1, w.no_ca)},
         "certificate-not-trusted"},
        {"D-03 anchor sent, leaf of another",
         {&w.self, &w.inter, &w.root},
         {tlsa(2, 0, 1, w.root)},
         "certificate-not-trusted"},
        {"D-03 a gap in the chain", {&w.good, &w.root}, {tlsa(2, 0, 1, w.root)}, "certificate-not-trusted"},
        {"DANE-095 expired leaf", {&w.expired, &w.inter}, {tlsa(2, 1, 1, w.inter)}, "certificate-expired"},
        {"DANE-095 leaf not yet valid", {&w.future, &w.inter}, {tlsa(2, 1, 1, w.inter)}, "certificate-expired"},
        {"DANE-095 expired intermediate",
         {&w.by_old_inter, &w.old_inter, &w.root},
         {tlsa(2, 1, 1, w.root)},
         "certificate-expired"},
        {"DANE-096 expired root as anchor",
         {&w.by_old_root, &w.old_root},
         {tlsa(2, 0, 1, w.old_root)},
         "certificate-expired"},
        {"DANE-096 expired intermediate as anchor",
         {&w.by_old_inter, &w.old_inter},
         {tlsa(2, 1, 1, w.old_inter)},
         "certificate-expired"},
        {"DANE-096 expired intermediate as anchor, its root sent too",
         {&w.by_old_inter, &w.old_inter, &w.root},
         {tlsa(2, 0, 2, w.old_inter)},
         "certificate-expired"},
        {"DANE-096 expired intermediate in DNS only",
         {&w.by_old_inter},
         {tlsa(2, 0, 0, w.old_inter)},
         "certificate-expired"},
        {"DANE-096 the anchor is not yet valid",
         {&w.by_future_inter, &w.future_inter},
         {tlsa(2, 1, 1, w.future_inter)},
         "certificate-expired"},
        {"DANE-071 expired anchor, 3 1 1 right",
         {&w.by_old_inter, &w.old_inter},
         {tlsa(2, 1, 1, w.old_inter), tlsa(3, 1, 1, w.by_old_inter)},
         "dane-ee"},
        {"DANE-096 bare key of the expired intermediate",
         {&w.by_old_inter},
         {tlsa(2, 1, 0, w.old_inter)},
         "dane-ta",
         1},
        {"DANE-096 bare key of the expired root", {&w.by_old_root}, {tlsa(2, 1, 0, w.old_root)}, "dane-ta", 1},
        {"DANE-097 path length",
         {&w.too_long, &w.below_short, &w.short_root},
         {tlsa(2, 0, 1, w.short_root)},
         "certificate-not-trusted"},
        {"DANE-097 clientAuth leaf", {&w.client_only, &w.inter}, {tlsa(2, 1, 1, w.inter)}, "certificate-not-trusted"},
        {"DANE-097 name constraints",
         {&w.by_narrow, &w.narrow, &w.root},
         {tlsa(2, 0, 1, w.root)},
         "certificate-not-trusted"},
        {"DANE-097 name constraints of the anchor itself",
         {&w.by_narrow, &w.narrow},
         {tlsa(2, 0, 1, w.narrow)},
         "certificate-not-trusted"},
        {"DANE-098 the self-signed leaf", {&w.self}, {tlsa(2, 0, 1, w.self)}, "tlsa-invalid"},
        {"H68 2 1 1 with the leaf's key", {&w.good, &w.inter}, {tlsa(2, 1, 1, w.good)}, "tlsa-invalid"},
        {"DANE-099 shuffled and superfluous",
         {&w.good, &w.stranger, &w.root, &w.inter},
         {tlsa(2, 0, 1, w.root)},
         "dane-ta",
         2},
        {"DANE-082 SHA-1 signature in a chain",
         {&w.sha1, &w.inter},
         {tlsa(2, 1, 1, w.inter)},
         "certificate-not-trusted"},
        {"DANE-071 3 1 1 wrong, 2 0 1 right",
         {&w.good, &w.inter},
         {wrong(3, 1, 1), tlsa(2, 0, 1, w.inter)},
         "dane-ta",
         1},
        {"DANE-071 3 1 1 right, name wrong for 2 0 1",
         {&w.wrong_name, &w.inter},
         {tlsa(2, 0, 1, w.inter), tlsa(3, 1, 1, w.wrong_name)},
         "dane-ee"},
        {"DANE-071 3 1 1 right, 2 0 1 wrong", {&w.good}, {wrong(2, 0, 1), tlsa(3, 1, 1, w.good)}, "dane-ee"},
        {"H69 the CA rotated",
         {&w.good, &w.inter},
         {tlsa(2, 1, 1, w.old_inter), tlsa(2, 1, 1, w.other_root)},
         "tlsa-invalid"},
    };
}

std::vector<Case> name_cases() { // section 7
    const World& w = world();
    const std::vector<dns::Tlsa> ta{tlsa(2, 1, 1, w.inter)};
    return {
        {"DANE-100 the base", {&w.good, &w.inter}, ta, "dane-ta", 1},
        {"D-02 another name", {&w.wrong_name, &w.inter}, ta, "certificate-host-mismatch"},
        {"DANE-101 next-hop accepted", {&w.next_hop_name, &w.inter}, ta, "dane-ta", 1, {base, "ex.test"}},
        {"DANE-101 next-hop not accepted", {&w.next_hop_name, &w.inter}, ta, "certificate-host-mismatch"},
        {"DANE-103 third name", {&w.good, &w.inter}, ta, "dane-ta", 1, {"a.test", "b.test", base}},
        {"DANE-104 CN without any SAN", {&w.cn_only, &w.inter}, ta, "dane-ta", 1},
        {"DANE-104 CN right, DNS SAN other", {&w.cn_right_san_other, &w.inter}, ta, "certificate-host-mismatch"},
        {"DANE-104 CN right, no DNS name in SAN", {&w.cn_right_ip_san, &w.inter}, ta, "dane-ta", 1},
        {"DANE-105 star", {&w.star, &w.inter}, ta, "dane-ta", 1},
        {"DANE-105 star is one label", {&w.star, &w.inter}, ta, "certificate-host-mismatch", 0, {"a.mx.ex.test"}},
        {"DANE-105 star is not no label", {&w.star, &w.inter}, ta, "certificate-host-mismatch", 0, {"ex.test"}},
        {"DANE-105 part of a label", {&w.partial_star, &w.inter}, ta, "certificate-host-mismatch"},
        {"H64 two stars", {&w.two_stars, &w.inter}, ta, "certificate-host-mismatch"},
        {"DANE-106 star above one label", {&w.top_star, &w.inter}, ta, "certificate-host-mismatch", 0, {"mx.test"}},
        {"DANE-107 address only", {&w.ip_only, &w.inter}, ta, "certificate-host-mismatch"},
        {"DANE-107 address as a reference", {&w.ip_only, &w.inter}, ta, "certificate-host-mismatch", 0, {"192.0.2.1"}},
        {"DANE-107 e-mail address", {&w.email_only, &w.inter}, ta, "certificate-host-mismatch"},
        {"DANE-054 case and final dot", {&w.good, &w.inter}, ta, "dane-ta", 1, {"MX.ex.Test."}},
    };
}

dane::HostPlan plan_for(const Case& c) {
    dane::HostPlan plan;
    plan.name = *dns::Name::from("mx.ex.test");
    for (const std::string& n : c.names) plan.reference_names.push_back(dns::Name::from(n)->text());
    plan.tlsa_base = *dns::Name::from(c.names.front());
    plan.sni = plan.tlsa_base.text();
    plan.records = dane::effective(c.records);
    plan.rrset = c.records;
    plan.requirement = plan.records.empty() ? dane::Requirement::encrypt : dane::Requirement::dane;
    return plan;
}

Outcome live(const Case& c, int protocol) {
    static Client client;
    const dane::HostPlan plan = plan_for(c);
    auto ssl = client.prepare(plan);
    if (!ssl) {
        ADD_FAILURE() << ssl.error().detail;
        return {};
    }
    const CtxPtr server = server_context({.chain = c.chain, .protocol = protocol});
    const Handshake h = shake(*ssl, server.get());
    EXPECT_TRUE(h.done) << h.error;
    EXPECT_EQ(h.sni, plan.sni); // DANE-110
    return client.judge(h.client.get(), plan);
}

Outcome offline(const Case& c, std::optional<Time> at = std::nullopt) {
    const OfflineRequest request{c.names, c.records, pem(c.chain), at};
    auto outcome = verify_offline(request);
    if (!outcome) ADD_FAILURE() << outcome.error().detail;
    return outcome.value_or(Outcome{});
}

void expect_word(const Case& c, const Outcome& o, const char* how) {
    const std::string got(o.passed ? word(o.level) : word(o.reason));
    EXPECT_EQ(got, c.want) << c.name << " " << how << ": " << o.text << " " << o.failure_code;
    EXPECT_EQ(o.reason == Reason::none, o.passed) << c.name;
    EXPECT_EQ(o.level != Level::none, o.passed) << c.name;
    const bool dane = o.passed && o.level != Level::encrypted;
    EXPECT_EQ(o.matched.has_value(), dane) << c.name << " " << how;
    if (dane && o.matched) EXPECT_EQ(o.matched->depth, c.depth) << c.name << " " << how;
    if (!o.passed) {
        EXPECT_FALSE(o.text.empty()) << c.name;
        EXPECT_TRUE(o.failure_code.starts_with("X509_V_ERR_")) << c.name << " " << o.failure_code;
        EXPECT_EQ(o.chain.size(), c.chain.size()) << c.name;
    }
}

void run(const std::vector<Case>& cases) {
    for (const Case& c : cases) {
        const Outcome away = offline(c);
        expect_word(c, away, "offline");
        for (const int protocol : {TLS1_3_VERSION, TLS1_2_VERSION}) {
            const Outcome here = live(c, protocol);
            expect_word(c, here, protocol == TLS1_3_VERSION ? "TLS 1.3" : "TLS 1.2");
            EXPECT_EQ(here.failure_code, away.failure_code) << c.name;
            if (!here.passed) EXPECT_EQ(here.text, away.text) << c.name;
        }
    }
}

TEST(Verify, DaneEe) {
    run(ee_cases());
}
TEST(Verify, DaneTa) {
    run(ta_cases());
}
TEST(Verify, Names) {
    run(name_cases());
}

// H59, DANE-095: the dates around the leaf's notAfter; DANE-EE does not care (H60).
TEST(Verify, AtATime) {
    const World& w = world();
    const Time now = SystemClock().now();
    const Case ta{"", {&w.good, &w.inter}, {tlsa(2, 1, 1, w.inter)}, ""},
        ee{"", {&w.good}, {tlsa(3, 1, 1, w.good)}, ""};
    const auto days = [](int n) { return std::chrono::hours(24 * n); };
    EXPECT_TRUE(offline(ta, now).passed);
    EXPECT_EQ(offline(ta, now + days(31)).reason, Reason::certificate_expired);
    EXPECT_EQ(offline(ta, now - days(11)).reason, Reason::certificate_expired);
    EXPECT_TRUE(offline(ee, now + days(400)).passed);
    EXPECT_TRUE(offline(ee, now - days(400)).passed);
}

// H68, H69: the text says which parameters would have matched, and what was sent.
TEST(Verify, Hints) {
    const World& w = world();
    const auto text = [&](dns::Tlsa record) {
        return offline({"", {&w.good, &w.inter}, {std::move(record)}, ""}).text;
    };
    EXPECT_NE(text({3, 0, 1, tlsa(3, 1, 1, w.good).data}).find("3 1 1 with these data would match"), std::string::npos);
    EXPECT_NE(text({3, 1, 1, tlsa(3, 0, 1, w.good).data}).find("3 0 1 with these data would match"), std::string::npos);
    EXPECT_NE(text(tlsa(3, 1, 1, w.inter)).find("an issuer's key: 2 1 1 with these data would match"),
              std::string::npos);
    EXPECT_NE(text(tlsa(2, 1, 1, w.good)).find("usage 2 never matches the server's own certificate"),
              std::string::npos);
    EXPECT_NE(text(tlsa(2, 1, 1, w.other_root)).find("CN=inter key"), std::string::npos);
}

TEST(Verify, MatchedNameIsTheReference) { // D-24
    const World& w = world();
    const Outcome o = offline({"", {&w.star, &w.inter}, {tlsa(2, 1, 1, w.inter)}, "", 1, {"a.b.ex.test", base}});
    ASSERT_TRUE(o.matched);
    EXPECT_EQ(o.matched->name, base);
    EXPECT_EQ(o.matched->record, tlsa(2, 1, 1, w.inter));
}

TEST(Verify, OfflineRefusesNonsense) {
    const World& w = world();
    const std::string chain = pem({&w.good});
    const std::vector<dns::Tlsa> records{tlsa(3, 1, 1, w.good)};
    EXPECT_FALSE(verify_offline({{}, records, chain, {}}));
    EXPECT_FALSE(verify_offline({{"no blanks"}, records, chain, {}}));
    EXPECT_FALSE(verify_offline({{base}, {}, chain, {}}));
    EXPECT_FALSE(verify_offline({{base}, records, "", {}}));
    EXPECT_FALSE(
        verify_offline({{base}, records, "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n", {}}));
}

} // namespace
} // namespace danelaw::tls::test
