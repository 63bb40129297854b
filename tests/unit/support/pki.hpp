// Certificates made at test time, and handshakes in memory: what the tls tests are fed with.
#pragma once

#include "../../../src/tls/openssl_priv.hpp"
#include "danelaw/dns/answer.hpp"
#include "danelaw/tls/client.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::tls::test {

enum class KeyKind { ec, rsa2048, rsa1024 };

struct CertSpec {
    std::string cn = "leaf";
    std::string sans = {};             // "DNS:mx.ex.test,IP:192.0.2.1"; "" for none
    int from_days = -10, to_days = 30; // validity around now
    std::string basic = {};            // "CA:TRUE,pathlen:0"; "" for none
    std::string eku = {};              // "clientAuth"
    std::string name_constraints = {}; // "permitted;DNS:other.test"
    KeyKind key = KeyKind::ec;
    const EVP_MD* md = EVP_sha256();
    long version = X509_VERSION_3;
};

struct Identity {
    CertPtr cert;
    KeyPtr key;
};

KeyPtr new_key(KeyKind kind);
// Signed by `issuer`, or by itself when null. `lying_issuer`: issuer's name, but signed with another key.
Identity issue(const CertSpec& spec, const Identity* issuer = nullptr, EVP_PKEY* lying_signer = nullptr);
Identity authority(const std::string& cn, const Identity* issuer = nullptr);

dns::Tlsa tlsa(unsigned usage, unsigned selector, unsigned matching, const Identity& of);
dns::Tlsa wrong(unsigned usage, unsigned selector, unsigned matching);
std::string pem(const std::vector<const Identity*>& chain);
std::string key_pem(const Identity& identity);

struct ServerSetup {
    std::vector<const Identity*> chain = {}; // leaf first; the leaf's key signs
    int protocol = 0;                        // exactly this one; 0: any
    EVP_PKEY* key = nullptr;                 // instead of the leaf's own
    const Identity* second = nullptr;        // a second certificate, of another key type
    std::function<void(SSL_CTX*)> tweak = {};
};
CtxPtr server_context(const ServerSetup& setup);

struct Handshake {
    bool done = false;
    std::string error; // the client's
    SslPtr client, server;
    std::string sni; // as the server saw it
};
// Takes the prepared client SSL object over.
Handshake shake(SSL* client, SSL_CTX* server);

} // namespace danelaw::tls::test
