// Records for certificates and keys, and rollovers without a gap.
#include "danelaw/tls/tools.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/dane/tlsa.hpp"
#include "support/pki.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <algorithm>

namespace danelaw::tls::test {
namespace {

struct Keys {
    Identity root = authority("root"), inter = authority("inter", &root), new_inter = authority("new inter", &root);
    Identity old_leaf = issue({.sans = "DNS:mx.ex.test"}, &inter), new_leaf = issue({.sans = "DNS:mx.ex.test"}, &inter);
    Identity by_new_inter = issue({.sans = "DNS:mx.ex.test"}, &new_inter);
};
const Keys& keys() {
    static const Keys k;
    return k;
}

std::vector<Subject> subjects(const std::vector<const Identity*>& chain) {
    return subjects_from_certificates(pem(chain)).value();
}

GenerateRequest ask(Subject subject) {
    GenerateRequest request;
    request.subject = std::move(subject);
    request.host = *dns::Name::from("mx.ex.test");
    return request;
}

bool warns(const std::vector<std::string>& warnings, std::string_view about) {
    return std::ranges::any_of(warnings, [&](const std::string& w) { return w.contains(about); });
}

std::string encoded(int (*write)(EVP_PKEY*, unsigned char**), EVP_PKEY* key) {
    unsigned char* out = nullptr;
    const int n = write(key, &out);
    std::string octets(reinterpret_cast<char*>(out), static_cast<std::size_t>(n));
    OPENSSL_free(out);
    return octets;
}

TEST(Generate, DefaultsAre311) { // DANE-146
    const auto made = generate(ask(subjects({&keys().new_leaf}).front()));
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->record, tlsa(3, 1, 1, keys().new_leaf));
    EXPECT_EQ(made->line, "_25._tcp.mx.ex.test. IN TLSA 3 1 1 " + hex(made->record.data));
    EXPECT_TRUE(made->warnings.empty());
}

TEST(Generate, EverySourceGivesTheSameKeyRecord) {
    const Identity& leaf = keys().new_leaf;
    const auto i2d_key = [](EVP_PKEY* k, unsigned char** out) { return i2d_PrivateKey(k, out); };
    const auto i2d_pub = [](EVP_PKEY* k, unsigned char** out) { return i2d_PUBKEY(k, out); };
    const std::string spki = encoded(i2d_pub, leaf.key.get());
    const std::string pub_pem = "-----BEGIN PUBLIC KEY-----\n" + base64(spki) + "\n-----END PUBLIC KEY-----\n";
    const Result<Subject> all[] = {subject_from_private_key(key_pem(leaf)),
                                   subject_from_private_key(encoded(i2d_key, leaf.key.get())),
                                   subject_from_public_key(pub_pem), subject_from_public_key(spki),
                                   subjects_from_certificates(der(leaf.cert.get())).value().front()};
    for (const auto& subject : all) {
        ASSERT_TRUE(subject) << subject.error().detail;
        EXPECT_EQ(generate(ask(*subject)).value().record, tlsa(3, 1, 1, leaf));
    }
}

TEST(Generate, EveryKindIsUsable) {
    for (unsigned usage = 2; usage < 4; ++usage)
        for (unsigned selector = 0; selector < 2; ++selector)
            for (unsigned matching = 0; matching < 3; ++matching) {
                GenerateRequest request = ask(subjects({usage == 2 ? &keys().inter : &keys().new_leaf}).front());
                request.usage = usage, request.selector = selector, request.matching = matching;
                const auto made = generate(request);
                ASSERT_TRUE(made) << made.error().detail;
                EXPECT_TRUE(dane::usable(made->record));
                EXPECT_EQ(warns(made->warnings, "matching type 0"), matching == 0);
                EXPECT_EQ(warns(made->warnings, "must send this trust anchor"), usage == 2);
                EXPECT_EQ(warns(made->warnings, "every renewal"), usage == 3 && selector == 0);
            }
}

TEST(Generate, UsageTwoDefaultsToTheCertificate) { // DANE-146
    GenerateRequest request = ask(subjects({&keys().inter}).front());
    request.usage = 2;
    const auto made = generate(request);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->record, tlsa(2, 0, 1, keys().inter));
    request.subject = subjects({&keys().new_leaf}).front();
    EXPECT_TRUE(warns(generate(request).value().warnings, "is no CA"));
}

TEST(Generate, AChainIsPutBeforeTheVerifier) { // DANE-146
    const std::vector<Subject> chain = subjects({&keys().new_leaf, &keys().inter, &keys().root});
    GenerateRequest request = ask(subject_for(2, chain));
    request.usage = 2;
    request.chain = chain;
    const auto made = generate(request);
    ASSERT_TRUE(made) << made.error().detail;
    EXPECT_EQ(made->record, tlsa(2, 0, 1, keys().inter)); // the first CA, not the leaf
    EXPECT_FALSE(warns(made->warnings, "would not pass"));
    request.host = *dns::Name::from("mx.other.test");
    EXPECT_TRUE(warns(generate(request).value().warnings, "would not pass by this record"));
    EXPECT_EQ(subject_for(3, chain).key, chain.front().key);
}

TEST(Generate, PkixUsagesAreWarnedOf) {
    for (const unsigned usage : {0U, 1U}) {
        GenerateRequest request = ask(subjects({&keys().new_leaf}).front());
        request.usage = usage;
        EXPECT_TRUE(warns(generate(request).value().warnings, "not for SMTP"));
    }
}

TEST(Generate, Refuses) {
    GenerateRequest key_only = ask(*subject_from_private_key(key_pem(keys().new_leaf)));
    key_only.selector = 0;
    EXPECT_FALSE(generate(key_only));
    GenerateRequest unknown = ask(subjects({&keys().new_leaf}).front());
    unknown.usage = 4;
    EXPECT_FALSE(generate(unknown));
    EXPECT_FALSE(subject_from_private_key("nonsense"));
    EXPECT_FALSE(subject_from_public_key(key_pem(keys().new_leaf)));
    EXPECT_FALSE(subjects_from_certificates(key_pem(keys().new_leaf)));
    EXPECT_FALSE(subjects_from_certificates(der(keys().new_leaf.cert.get()) + "x"));
    EXPECT_FALSE(
        subject_from_private_key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"));
}

RolloverRequest roll(std::vector<dns::Tlsa> published, std::vector<Subject> next) {
    RolloverRequest request;
    request.base = *dns::Name::from("mx.ex.test");
    request.published = std::move(published);
    request.ttl = Seconds(300);
    request.next = std::move(next);
    request.now = Time(Seconds(1'000'000));
    return request;
}

TEST(RolloverPlan, Table) {
    const Keys& k = keys();
    const dns::Tlsa old_key = tlsa(3, 1, 1, k.old_leaf), new_key = tlsa(3, 1, 1, k.new_leaf);
    const dns::Tlsa anchor = tlsa(2, 1, 1, k.inter), new_anchor = tlsa(2, 1, 1, k.new_inter);
    struct Row {
        const char* name;
        std::vector<dns::Tlsa> published;
        std::vector<const Identity*> next;
        Coverage want;
        std::vector<dns::Tlsa> add, drop;
    };
    const Row rows[] = {
        {"old key only", {old_key}, {&k.new_leaf}, Coverage::none, {new_key}, {old_key}},
        {"both keys", {old_key, new_key}, {&k.new_leaf}, Coverage::covered, {}, {old_key}},
        {"same key", {old_key}, {&k.old_leaf}, Coverage::covered, {}, {}},
        {"same issuer", {anchor}, {&k.new_leaf, &k.inter}, Coverage::covered, {}, {}},
        {"H69 new issuer", {anchor}, {&k.by_new_inter, &k.new_inter}, Coverage::none, {new_anchor}, {anchor}},
        {"DANE-144 another kind only",
         {old_key, tlsa(2, 0, 1, k.inter)},
         {&k.new_leaf, &k.inter},
         Coverage::partly,
         {new_key},
         {old_key}},
        {"agility counts",
         {new_key, tlsa(3, 1, 2, k.old_leaf)},
         {&k.new_leaf},
         Coverage::none,
         {tlsa(3, 1, 2, k.new_leaf)},
         {tlsa(3, 1, 2, k.old_leaf)}},
        {"leaf under usage 2",
         {tlsa(2, 1, 1, k.new_leaf)},
         {&k.new_leaf, &k.inter},
         Coverage::none,
         {anchor},
         {tlsa(2, 1, 1, k.new_leaf)}},
        {"nothing published", {}, {&k.new_leaf}, Coverage::none, {new_key}, {}},
        {"PKIX usage only", {tlsa(1, 1, 1, k.new_leaf)}, {&k.new_leaf}, Coverage::none, {new_key}, {}},
    };
    for (const Row& row : rows) {
        const auto plan = plan_rollover(roll(row.published, subjects(row.next)));
        ASSERT_TRUE(plan) << row.name;
        EXPECT_EQ(word(plan->coverage), word(row.want)) << row.name;
        EXPECT_EQ(plan->add, row.add) << row.name;
        EXPECT_EQ(plan->drop, row.drop) << row.name;
    }
}

TEST(RolloverPlan, FirstRecordsNeverComeBeforeTheirCertificate) { // DANE-144
    const Keys& k = keys();
    RolloverRequest request = roll({}, subjects({&k.new_leaf}));
    const auto blind = plan_rollover(request);
    EXPECT_EQ(word(blind->order), "install-first");
    EXPECT_EQ(blind->install_from, request.now);
    EXPECT_TRUE(warns(blind->warnings, "must not be published before"));
    request.current = subjects({&k.old_leaf});
    const auto known = plan_rollover(request);
    EXPECT_EQ(word(known->order), "publish-first");
    EXPECT_EQ(known->add, (std::vector<dns::Tlsa>{tlsa(3, 1, 1, k.old_leaf), tlsa(3, 1, 1, k.new_leaf)}));
}

TEST(RolloverPlan, PkixUsagesAreNeverRenewed) { // DANE-061, DANE-146
    const Keys& k = keys();
    const dns::Tlsa old_key = tlsa(3, 1, 1, k.old_leaf), pkix_ee = tlsa(1, 1, 1, k.old_leaf);
    const dns::Tlsa pkix_ta = tlsa(0, 0, 1, k.root);
    RolloverRequest request = roll({old_key, pkix_ee, pkix_ta}, subjects({&k.new_leaf, &k.inter}));
    request.current = subjects({&k.old_leaf, &k.inter});
    const auto plan = plan_rollover(request);
    EXPECT_EQ(plan->current, std::vector<dns::Tlsa>{old_key});
    EXPECT_EQ(plan->add, (std::vector<dns::Tlsa>{tlsa(3, 1, 1, k.new_leaf)}));
    EXPECT_EQ(plan->drop, std::vector<dns::Tlsa>{old_key});
    EXPECT_EQ(plan->idle, (std::vector<dns::Tlsa>{pkix_ee, pkix_ta}));
}

TEST(RolloverPlan, TwoTtlsOfTheLarger) { // DANE-145
    RolloverRequest request = roll({tlsa(3, 1, 1, keys().old_leaf)}, subjects({&keys().new_leaf}));
    EXPECT_EQ(plan_rollover(request)->install_from, request.now + Seconds(600));
    request.next_ttl = Seconds(3600);
    EXPECT_EQ(plan_rollover(request)->install_from, request.now + Seconds(7200));
    request.published.push_back(tlsa(3, 1, 1, keys().new_leaf));
    EXPECT_EQ(plan_rollover(request)->install_from, request.now);
}

TEST(RolloverPlan, Warnings) {
    const Keys& k = keys();
    RolloverRequest request = roll({tlsa(3, 1, 1, k.old_leaf), tlsa(2, 0, 1, k.new_inter), tlsa(0, 0, 1, k.root)},
                                   subjects({&k.by_new_inter, &k.new_inter}));
    request.current = subjects({&k.old_leaf, &k.inter});
    const auto plan = plan_rollover(request);
    EXPECT_TRUE(warns(plan->warnings, "no published record of kind 2 0 1 is for the chain in use now")); // DANE-144
    EXPECT_TRUE(warns(plan->warnings, "must send the trust anchor"));
    EXPECT_TRUE(warns(plan->warnings, "is ignored by senders"));
    // A planned key says nothing about certificates and issuers.
    const auto key = plan_rollover(roll({tlsa(3, 0, 1, k.old_leaf)}, {*subject_from_private_key(key_pem(k.new_leaf))}));
    EXPECT_TRUE(warns(key->warnings, "give --new-cert"));
    EXPECT_EQ(key->coverage, Coverage::none);
    EXPECT_FALSE(plan_rollover(roll({}, {})));
}

} // namespace
} // namespace danelaw::tls::test
