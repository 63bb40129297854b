// What a client handshake is made of, and that nothing but a full pass gets through the gate.
#include "danelaw/dane/tlsa.hpp"
#include "support/pki.hpp"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace danelaw::tls::test {
namespace {

struct Pki {
    Identity root = authority("root");
    Identity stranger = authority("stranger");
    Identity leaf = issue({.sans = "DNS:mx.ex.test"}, &root);
    Identity rsa = issue({.sans = "DNS:mx.ex.test", .key = KeyKind::rsa2048}, &root);
    Identity other_name = issue({.sans = "DNS:other.test"}, &root);
    Identity cn_only = issue({.cn = "mx.ex.test"}, &root);
    Identity cn_beside_ip = issue({.cn = "mx.ex.test", .sans = "IP:192.0.2.1"}, &root);
    Identity expired = issue({.sans = "DNS:mx.ex.test", .to_days = -1}, &root);
};
const Pki& pki() {
    static const Pki p;
    return p;
}

dane::HostPlan plan(dane::Requirement requirement, std::vector<dns::Tlsa> records = {}) {
    dane::HostPlan p;
    p.name = p.tlsa_base = *dns::Name::from("mx.ex.test");
    p.sni = "mx.ex.test";
    p.reference_names = {"mx.ex.test"};
    p.requirement = requirement;
    p.records = std::move(records);
    return p;
}

class ClientTest : public ::testing::Test {
  protected:
    void SetUp() override { std::ofstream(ca_) << pem({&pki().root}); }
    void TearDown() override { std::filesystem::remove(ca_); }

    Outcome try_it(const dane::HostPlan& p, const ServerSetup& setup,
                   Client::KeyPreference keys = Client::KeyPreference::any) {
        auto ssl = client_.prepare(p, keys);
        if (!ssl) return client_.failed_handshake(ssl.error(), p);
        const CtxPtr server = server_context(setup);
        last_ = shake(*ssl, server.get());
        if (!last_.done) return client_.failed_handshake(Error{Errc::tls, last_.error}, p);
        return client_.judge(last_.client.get(), p);
    }

    Client client_;
    Handshake last_;
    std::string ca_ =
        (std::filesystem::temp_directory_path() / ("danelaw-ca-" + std::to_string(::getpid()) + ".pem")).string();
};

TEST_F(ClientTest, UnauthenticatedTlsTakesAnyCertificate) { // DANE-064
    for (const auto r : {dane::Requirement::may, dane::Requirement::encrypt}) {
        const Outcome o = try_it(plan(r), {.chain = {&pki().expired}});
        EXPECT_TRUE(o.passed);
        EXPECT_EQ(o.level, Level::encrypted);
        EXPECT_EQ(o.protocol, "TLSv1.3");
        EXPECT_FALSE(o.cipher.empty());
        EXPECT_EQ(last_.sni, "mx.ex.test"); // DANE-111
    }
}

TEST_F(ClientTest, NoSniForALiteral) { // DANE-111
    dane::HostPlan p = plan(dane::Requirement::encrypt);
    p.sni.clear();
    EXPECT_TRUE(try_it(p, {.chain = {&pki().leaf}}).passed);
    EXPECT_EQ(last_.sni, "");
}

TEST_F(ClientTest, WebPki) {
    struct Row {
        const char* name;
        const Identity* leaf;
        bool with_ca;
        const char* want;
    };
    const Row rows[] = {
        {"good", &pki().leaf, true, "pkix"},
        {"other name", &pki().other_name, true, "certificate-host-mismatch"},
        {"expired", &pki().expired, true, "certificate-expired"},
        {"unknown CA", &pki().leaf, false, "certificate-not-trusted"},
        {"common name alone", &pki().cn_only, true, "certificate-host-mismatch"}, // MS-011, MS-041
        {"common name beside an address", &pki().cn_beside_ip, true, "certificate-host-mismatch"},
    };
    for (const Row& row : rows) {
        dane::HostPlan p = plan(dane::Requirement::pkix);
        p.ca_file = row.with_ca ? ca_ : "";
        const Outcome o = try_it(p, {.chain = {row.leaf}});
        EXPECT_EQ(std::string(o.passed ? word(o.level) : word(o.reason)), row.want) << row.name << " " << o.text;
    }
    dane::HostPlan sts = plan(dane::Requirement::mta_sts);
    sts.ca_file = ca_;
    EXPECT_EQ(try_it(sts, {.chain = {&pki().leaf}}).level, Level::mta_sts);
}

TEST_F(ClientTest, TestingModeLooksAndDecidesNothing) { // MS-044, D-35
    struct Row {
        const char* name;
        const Identity* leaf;
        Reason want;
    };
    const Row rows[] = {
        {"good", &pki().leaf, Reason::none},
        {"other name", &pki().other_name, Reason::certificate_host_mismatch},
        {"expired", &pki().expired, Reason::certificate_expired},
        {"common name alone", &pki().cn_only, Reason::certificate_host_mismatch}, // MS-041
    };
    for (const Row& row : rows) {
        for (const auto requirement : {dane::Requirement::may, dane::Requirement::encrypt}) {
            dane::HostPlan p = plan(requirement);
            p.ca_file = ca_;
            p.sts = dane::HostPlan::Sts::testing;
            p.sts_matches = true;
            const Outcome o = try_it(p, {.chain = {row.leaf}});
            EXPECT_TRUE(o.passed) << row.name;
            EXPECT_EQ(o.level, Level::encrypted) << row.name;
            EXPECT_EQ(o.reason, Reason::none) << row.name;
            ASSERT_TRUE(o.web_pki) << row.name;
            EXPECT_EQ(word(*o.web_pki), word(row.want)) << row.name;
            EXPECT_EQ(o.web_pki_code.empty(), row.want == Reason::none) << row.name << " " << o.web_pki_code;
        }
    }
    dane::HostPlan p = plan(dane::Requirement::may);
    p.sts = dane::HostPlan::Sts::testing;
    EXPECT_FALSE(try_it(p, {.chain = {&pki().leaf}}).web_pki); // not one of the policy's hosts: nothing to look at
    p.sts_matches = true;
    p.ca_file = "/nonexistent/ca.pem"; // what decides nothing stops nothing
    const Outcome blind = try_it(p, {.chain = {&pki().leaf}});
    EXPECT_TRUE(blind.passed) << blind.text;
    EXPECT_FALSE(blind.web_pki);
    p.ca_file = ca_;
    p.requirement = dane::Requirement::encrypt;
    p.tlsa_unusable = true; // MS-061: under TLSA the policy has no say
    EXPECT_FALSE(try_it(p, {.chain = {&pki().leaf}}).web_pki);
}

TEST_F(ClientTest, APassShowsItsChainToo) { // for `check`
    for (const auto requirement : {dane::Requirement::may, dane::Requirement::dane}) {
        const Outcome o = try_it(plan(requirement, {tlsa(3, 1, 1, pki().leaf)}), {.chain = {&pki().leaf}});
        ASSERT_TRUE(o.passed);
        ASSERT_FALSE(o.chain.empty());
        EXPECT_EQ(o.chain.front().names, std::vector<std::string>{"mx.ex.test"});
        EXPECT_GT(o.chain.front().not_after, o.chain.front().not_before);
    }
}

TEST_F(ClientTest, UnreadableCaFileIsAnError) {
    dane::HostPlan p = plan(dane::Requirement::pkix);
    p.ca_file = "/nonexistent/ca.pem";
    const auto ssl = client_.prepare(p);
    ASSERT_FALSE(ssl);
    EXPECT_NE(ssl.error().detail.find("/nonexistent/ca.pem"), std::string::npos);
}

TEST_F(ClientTest, ACaFileIsReadAgainWhenAsked) { // a distrusted authority must not live on in memory
    dane::HostPlan p = plan(dane::Requirement::mta_sts);
    p.ca_file = ca_;
    EXPECT_TRUE(try_it(p, {.chain = {&pki().leaf}}).passed);
    std::ofstream(ca_, std::ios::trunc) << pem({&pki().stranger});
    client_.reload_authorities();
    EXPECT_EQ(try_it(p, {.chain = {&pki().leaf}}).reason, Reason::certificate_not_trusted);
}

TEST_F(ClientTest, DaneIgnoresCaStores) { // DANE-091, D-07
    dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(2, 0, 1, pki().root)});
    p.ca_file = ca_;
    const Outcome o = try_it(p, {.chain = {&pki().leaf}});
    EXPECT_EQ(o.reason, Reason::tlsa_invalid);
}

TEST_F(ClientTest, RefusedRecordsNeverWeaken) { // DANE-074
    const std::vector<std::vector<dns::Tlsa>> sets = {{},
                                                      {{3, 1, 1, "short"}},
                                                      {tlsa(1, 1, 1, pki().leaf)},
                                                      {{3, 7, 1, std::string(32, 'x')}},
                                                      {{3, 0, 0, "no DER"}}};
    for (const auto& records : sets) EXPECT_FALSE(client_.prepare(plan(dane::Requirement::dane, records)));
    dane::HostPlan nameless = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().leaf)});
    nameless.reference_names.clear();
    nameless.tlsa_base = dns::Name();
    EXPECT_FALSE(client_.prepare(nameless));
}

TEST_F(ClientTest, NothingPlannedMeansNoSession) {
    EXPECT_FALSE(client_.prepare(plan(dane::Requirement::none)));
    EXPECT_FALSE(client_.prepare(plan(dane::Requirement::skip)));
}

TEST_F(ClientTest, AnUnfinishedHandshakeDoesNotPass) {
    const dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().leaf)});
    const SslPtr ssl(*client_.prepare(p));
    EXPECT_FALSE(client_.judge(ssl.get(), p).passed); // X509_V_OK is what it reads now
    EXPECT_FALSE(client_.judge(nullptr, p).passed);
}

// An SSL object prepared without authentication does not pass for one with.
TEST_F(ClientTest, PreparedForAnotherRequirement) {
    EXPECT_TRUE(try_it(plan(dane::Requirement::encrypt), {.chain = {&pki().leaf}}).passed);
    const dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().leaf)});
    EXPECT_FALSE(client_.judge(last_.client.get(), p).passed);
}

TEST_F(ClientTest, ReversedDigestOrder) { // DANE-070: the library's own agility must not contradict ours
    const dane::DigestOrder reversed{{1, 2}};
    const std::vector<dns::Tlsa> right_256{tlsa(3, 1, 1, pki().leaf), wrong(3, 1, 2)};
    const std::vector<dns::Tlsa> right_512{wrong(3, 1, 1), tlsa(3, 1, 2, pki().leaf)};
    EXPECT_TRUE(
        try_it(plan(dane::Requirement::dane, dane::effective(right_256, reversed)), {.chain = {&pki().leaf}}).passed);
    EXPECT_FALSE(
        try_it(plan(dane::Requirement::dane, dane::effective(right_512, reversed)), {.chain = {&pki().leaf}}).passed);
    EXPECT_TRUE(try_it(plan(dane::Requirement::dane, dane::effective(right_512)), {.chain = {&pki().leaf}}).passed);
}

TEST_F(ClientTest, NothingResumes) { // D-39, DANE-114, H77
    const dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().leaf)});
    for (const int protocol : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto ssl = client_.prepare(p);
        const CtxPtr server = server_context({.chain = {&pki().leaf}, .protocol = protocol});
        const Handshake h = shake(*ssl, server.get());
        ASSERT_TRUE(h.done);
        char octet = 0;
        SSL_read(h.client.get(), &octet, 1); // takes in TLS 1.3 tickets
        EXPECT_NE(SSL_get_options(h.client.get()) & SSL_OP_NO_TICKET, 0U);
        // Even with a session forced on it, a resumed handshake is not a pass.
        SSL_SESSION* session = SSL_get1_session(h.client.get());
        auto again = client_.prepare(p);
        SSL_set_session(*again, session);
        const Handshake second = shake(*again, server.get());
        SSL_SESSION_free(session);
        ASSERT_TRUE(second.done);
        EXPECT_EQ(SSL_session_reused(second.client.get()), 1);
        EXPECT_FALSE(client_.judge(second.client.get(), p).passed);
    }
}

TEST_F(ClientTest, LowerProtocolFails) { // DANE-112
    const auto old = [](SSL_CTX* ctx) { SSL_CTX_set_security_level(ctx, 0); };
    dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().leaf)});
    const ServerSetup tls10{.chain = {&pki().leaf}, .protocol = TLS1_VERSION, .tweak = old};
    EXPECT_EQ(try_it(p, tls10).reason, Reason::tls_handshake_failed);
    p.min_protocol = "1.0";
    EXPECT_TRUE(try_it(p, tls10).passed);
    EXPECT_EQ(try_it(p, tls10).protocol, "TLSv1");
    p.min_protocol = "1.3";
    EXPECT_FALSE(try_it(p, {.chain = {&pki().leaf}, .protocol = TLS1_2_VERSION}).passed);
    p.min_protocol = "9";
    EXPECT_FALSE(client_.prepare(p));
}

TEST_F(ClientTest, NoAnonymousOrNullCiphers) { // DANE-113
    for (const char* ciphers : {"aNULL", "eNULL:@SECLEVEL=0"}) {
        const auto only = [ciphers](SSL_CTX* ctx) { SSL_CTX_set_cipher_list(ctx, ciphers); };
        const ServerSetup setup{.chain = {&pki().leaf}, .protocol = TLS1_2_VERSION, .tweak = only};
        EXPECT_EQ(try_it(plan(dane::Requirement::encrypt), setup).reason, Reason::tls_handshake_failed) << ciphers;
    }
}

// The public half of one key with the private half of another: what a thief of a certificate can set up.
KeyPtr forged_key(EVP_PKEY* seen, EVP_PKEY* held) {
    unsigned char point[256];
    std::size_t size = 0;
    BIGNUM* secret = nullptr;
    EVP_PKEY_get_octet_string_param(seen, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &size);
    EVP_PKEY_get_bn_param(held, OSSL_PKEY_PARAM_PRIV_KEY, &secret);
    OSSL_PARAM_BLD* build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, size);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret);
    OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX* ctx = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
    EVP_PKEY* key = nullptr;
    EVP_PKEY_fromdata_init(ctx);
    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(secret);
    return KeyPtr(key);
}

TEST_F(ClientTest, CertificateWithoutItsKey) { // DANE-A08, DANE-082
    const KeyPtr key = forged_key(pki().leaf.key.get(), pki().other_name.key.get());
    ASSERT_TRUE(key);
    const auto stolen = [&](SSL_CTX* ctx) { ASSERT_EQ(SSL_CTX_use_PrivateKey(ctx, key.get()), 1); };
    const dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().leaf)});
    for (const int protocol : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const Outcome o = try_it(p, {.chain = {&pki().leaf}, .protocol = protocol, .key = key.get(), .tweak = stolen});
        EXPECT_EQ(o.reason, Reason::tls_handshake_failed);
        EXPECT_NE(o.text.find("bad signature"), std::string::npos) << o.text;
    }
}

TEST_F(ClientTest, KeyPreference) { // H74
    const ServerSetup both{.chain = {&pki().leaf}, .second = &pki().rsa};
    for (const int protocol : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        ServerSetup setup = both;
        setup.protocol = protocol;
        const dane::HostPlan p = plan(dane::Requirement::dane, {tlsa(3, 1, 1, pki().rsa)});
        EXPECT_EQ(try_it(p, setup, Client::KeyPreference::ecdsa).reason, Reason::tlsa_invalid);
        EXPECT_TRUE(try_it(p, setup, Client::KeyPreference::rsa).passed);
    }
    const dane::HostPlan p = plan(dane::Requirement::encrypt);
    EXPECT_EQ(try_it(p, {.chain = {&pki().rsa}}, Client::KeyPreference::ecdsa).reason, Reason::tls_handshake_failed);
}

TEST_F(ClientTest, FactsOfTheChain) {
    const Outcome o = try_it(plan(dane::Requirement::dane, {wrong(3, 1, 1)}), {.chain = {&pki().leaf, &pki().root}});
    ASSERT_EQ(o.chain.size(), 2U);
    EXPECT_EQ(o.chain[0].subject, "CN=leaf");
    EXPECT_EQ(o.chain[0].issuer, "CN=root");
    EXPECT_EQ(o.chain[0].names, std::vector<std::string>{"mx.ex.test"});
    EXPECT_EQ(o.chain[0].key, "EC P-256");
    EXPECT_EQ(o.chain[0].spki_sha256.size(), 64U);
    EXPECT_LT(o.chain[0].not_before, o.chain[0].not_after);
}

TEST_F(ClientTest, HandshakeFailureWords) { // DANE-117
    const dane::HostPlan p = plan(dane::Requirement::dane);
    EXPECT_EQ(client_.failed_handshake({Errc::timeout, "late"}, p).failure_code, "handshake-timeout");
    EXPECT_EQ(client_.failed_handshake({Errc::closed, "gone"}, p).failure_code, "handshake-closed");
    EXPECT_EQ(client_.failed_handshake({Errc::tls, "alert"}, p).reason, Reason::tls_handshake_failed);
}

} // namespace
} // namespace danelaw::tls::test
