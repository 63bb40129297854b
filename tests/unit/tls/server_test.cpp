// The listeners' side of TLS: files, client certificates, protocols.
#include "danelaw/tls/server.hpp"
#include "support/pki.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace danelaw::tls::test {
namespace {

class ServerTest : public ::testing::Test {
  protected:
    void SetUp() override { std::filesystem::create_directories(dir_); }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    std::string file(const std::string& name, const std::string& text) {
        const std::string path = dir_ / name;
        std::ofstream(path) << text;
        return path;
    }

    std::filesystem::path dir_ =
        std::filesystem::temp_directory_path() / ("danelaw-server-" + std::to_string(::getpid()));
    Identity root = authority("root"), inter = authority("inter", &root),
             leaf = issue({.sans = "DNS:relay.test"}, &inter);
    Identity other = issue({.sans = "DNS:relay.test"});
};

SslPtr plain_client(const Identity* identity = nullptr, int highest = 0) {
    static const CtxPtr ctx(SSL_CTX_new(TLS_client_method()));
    SslPtr ssl(SSL_new(ctx.get()));
    SSL_set_security_level(ssl.get(), 0);
    if (highest != 0) SSL_set_min_proto_version(ssl.get(), TLS1_VERSION), SSL_set_max_proto_version(ssl.get(), highest);
    if (identity != nullptr) {
        SSL_use_certificate(ssl.get(), identity->cert.get());
        SSL_use_PrivateKey(ssl.get(), identity->key.get());
    }
    return ssl;
}

// Both ends shaken; the server's SSL object comes from our context.
Handshake meet(SslPtr client, const ServerContext& context) {
    Handshake h;
    h.client = std::move(client);
    h.server.reset(context.prepare().value());
    BIO *near = nullptr, *far = nullptr;
    BIO_new_bio_pair(&near, 1 << 16, &far, 1 << 16);
    SSL_set_bio(h.client.get(), near, near);
    SSL_set_bio(h.server.get(), far, far);
    SSL_set_connect_state(h.client.get());
    for (int turn = 0; turn < 10 && !h.done; ++turn) {
        const int c = SSL_do_handshake(h.client.get()), s = SSL_do_handshake(h.server.get());
        h.done = c == 1 && s == 1;
    }
    return h;
}

TEST_F(ServerTest, ServesItsChain) {
    const ServerFiles files{file("chain.pem", pem({&leaf, &inter})), file("key.pem", key_pem(leaf)), ""};
    const auto context = ServerContext::load(files);
    ASSERT_TRUE(context) << context.error().detail;
    const Handshake h = meet(plain_client(), **context);
    ASSERT_TRUE(h.done);
    EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(h.client.get())), 2);
    const ServerFacts facts = server_facts(h.server.get());
    EXPECT_EQ(facts.protocol, "TLSv1.3");
    EXPECT_FALSE(facts.cipher.empty());
    EXPECT_FALSE(facts.client);
    EXPECT_EQ(facts.client_refused, "");
}

TEST_F(ServerTest, KeyInTheCertificateFile) {
    EXPECT_TRUE(ServerContext::load({file("both.pem", key_pem(leaf) + pem({&leaf, &inter})), "", ""}));
}

TEST_F(ServerTest, WrongFilesAreNamed) {
    const std::string chain = file("chain.pem", pem({&leaf})), key = file("key.pem", key_pem(leaf));
    const std::string other_key = file("other.pem", key_pem(other)), empty = file("empty.pem", "");
    const std::string damaged = file("bad.pem", "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n");
    const std::string locked =
        file("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    struct Row {
        ServerFiles files;
        std::string says;
    };
    const Row rows[] = {
        {{dir_ / "none.pem", key, ""}, "none.pem can't be read: No such file or directory"},
        {{chain, dir_ / "none.pem", ""}, "none.pem can't be read: No such file or directory"},
        {{chain, other_key, ""}, "does not belong to the certificate"},
        {{empty, key, ""}, "holds no certificate"},
        {{chain, empty, ""}, "holds no private key"},
        {{damaged, key, ""}, "damaged certificate"},
        {{chain, locked, ""}, "is encrypted"},
        {{chain, key, dir_ / "none.pem"}, "client_ca"},
        {{chain, key, empty}, "holds no certificate"},
    };
    for (const Row& row : rows) {
        const auto context = ServerContext::load(row.files);
        ASSERT_FALSE(context) << row.says;
        EXPECT_EQ(context.error().code, Errc::config);
        EXPECT_NE(context.error().detail.find(row.says), std::string::npos) << context.error().detail;
    }
}

TEST_F(ServerTest, ClientCertificates) { // SS-076
    const Identity good = issue({.cn = "app-1"}, &inter), expired = issue({.cn = "app-2", .to_days = -1}, &root);
    const Identity by_root = issue({.cn = "app-3"}, &root), stranger = issue({.cn = "app-4"});
    const ServerFiles files{file("chain.pem", pem({&leaf, &inter})), file("key.pem", key_pem(leaf)),
                            file("ca.pem", pem({&root, &inter}))};
    const auto context = ServerContext::load(files);
    ASSERT_TRUE(context) << context.error().detail;
    struct Row {
        const Identity* client;
        const char* name; // "" : no rights
        bool refused;
    };
    const Row rows[] = {{&good, "CN=app-1", false},
                        {&by_root, "CN=app-3", false},
                        {&expired, "", true},
                        {&stranger, "", true},
                        {nullptr, "", false}};
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const Row& row : rows) {
            const Handshake h = meet(plain_client(row.client, version), **context);
            ASSERT_TRUE(h.done);
            const ServerFacts facts = server_facts(h.server.get());
            EXPECT_EQ(facts.client.value_or(""), row.name);
            EXPECT_EQ(!facts.client_refused.empty(), row.refused) << facts.client_refused;
        }
    }
}

TEST_F(ServerTest, NotAskedNotTrusted) { // no client_ca: a certificate sent anyway gives nothing
    const auto context = ServerContext::load({file("chain.pem", pem({&leaf})), file("key.pem", key_pem(leaf)), ""});
    const Handshake h = meet(plain_client(&leaf), **context);
    ASSERT_TRUE(h.done);
    EXPECT_FALSE(server_facts(h.server.get()).client);
}

TEST_F(ServerTest, OldProtocolsFail) { // SS-077
    const auto context = ServerContext::load({file("chain.pem", pem({&leaf})), file("key.pem", key_pem(leaf)), ""});
    EXPECT_FALSE(meet(plain_client(nullptr, TLS1_1_VERSION), **context).done);
    EXPECT_TRUE(meet(plain_client(nullptr, TLS1_2_VERSION), **context).done);
}

TEST_F(ServerTest, ReloadDoesNotTouchSessions) { // SS-077
    const ServerFiles files{file("chain.pem", pem({&leaf})), file("key.pem", key_pem(leaf)), ""};
    auto context = ServerContext::load(files);
    Handshake h = meet(plain_client(), **context);
    file("chain.pem", pem({&other})), file("key.pem", key_pem(other));
    context = ServerContext::load(files);
    ASSERT_TRUE(context);
    EXPECT_EQ(SSL_write(h.client.get(), "x", 1), 1);
    char octet = 0;
    EXPECT_EQ(SSL_read(h.server.get(), &octet, 1), 1);
}

} // namespace
} // namespace danelaw::tls::test
