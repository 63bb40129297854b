#include "pki.hpp"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

namespace danelaw::tls::test {

KeyPtr new_key(KeyKind kind) {
    switch (kind) {
    case KeyKind::ec: return KeyPtr(EVP_EC_gen("P-256"));
    case KeyKind::rsa2048: return KeyPtr(EVP_RSA_gen(2048));
    case KeyKind::rsa1024: return KeyPtr(EVP_RSA_gen(1024));
    }
    return nullptr;
}

namespace {

void extend(X509* cert, X509* issuer, int nid, const std::string& value) {
    if (value.empty()) return;
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str());
    DANELAW_CHECK(extension != nullptr);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

std::string written(const std::function<int(BIO*)>& write) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    DANELAW_CHECK(write(out.get()) == 1);
    char* data = nullptr;
    const long n = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(n)};
}

} // namespace

Identity issue(const CertSpec& spec, const Identity* issuer, EVP_PKEY* lying_signer) {
    static long serial = 1000;
    Identity made{CertPtr(X509_new()), new_key(spec.key)};
    X509* cert = made.cert.get();
    X509_set_version(cert, spec.version);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), 86400L * spec.from_days);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400L * spec.to_days);
    X509_set_pubkey(cert, made.key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(spec.cn.c_str()), -1, -1, 0);
    X509* above = issuer != nullptr ? issuer->cert.get() : cert;
    X509_set_issuer_name(cert, X509_get_subject_name(above));
    if (spec.version == X509_VERSION_3) {
        extend(cert, above, NID_basic_constraints, spec.basic);
        extend(cert, above, NID_subject_key_identifier, "hash");
        extend(cert, above, NID_subject_alt_name, spec.sans);
        extend(cert, above, NID_ext_key_usage, spec.eku);
        extend(cert, above, NID_name_constraints, spec.name_constraints);
    }
    EVP_PKEY* signer = lying_signer != nullptr ? lying_signer : issuer != nullptr ? issuer->key.get() : made.key.get();
    DANELAW_CHECK(X509_sign(cert, signer, spec.md) > 0);
    return made;
}

Identity authority(const std::string& cn, const Identity* issuer) {
    CertSpec spec;
    spec.cn = cn;
    spec.basic = "critical,CA:TRUE";
    return issue(spec, issuer);
}

dns::Tlsa tlsa(unsigned usage, unsigned selector, unsigned matching, const Identity& of) {
    const auto data = association(der(of.cert.get()), spki_der(of.cert.get()), selector, matching);
    return {static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector), static_cast<std::uint8_t>(matching),
            data.value_or("")};
}

dns::Tlsa wrong(unsigned usage, unsigned selector, unsigned matching) {
    return {static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector), static_cast<std::uint8_t>(matching),
            std::string(matching == 2 ? 64 : 32, '\x5a')};
}

std::string pem(const std::vector<const Identity*>& chain) {
    std::string text;
    for (const Identity* i : chain) text += written([&](BIO* out) { return PEM_write_bio_X509(out, i->cert.get()); });
    return text;
}

std::string key_pem(const Identity& identity) {
    return written([&](BIO* out) {
        return PEM_write_bio_PrivateKey(out, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

CtxPtr server_context(const ServerSetup& setup) {
    CtxPtr ctx(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_security_level(ctx.get(), 0);
    SSL_CTX_set_mode(ctx.get(), SSL_MODE_NO_AUTO_CHAIN);
    if (setup.protocol != 0) {
        SSL_CTX_set_min_proto_version(ctx.get(), setup.protocol);
        SSL_CTX_set_max_proto_version(ctx.get(), setup.protocol);
    }
    if (!setup.chain.empty()) {
        const Identity& leaf = *setup.chain.front();
        DANELAW_CHECK(SSL_CTX_use_certificate(ctx.get(), leaf.cert.get()) == 1);
        if (setup.key == nullptr) DANELAW_CHECK(SSL_CTX_use_PrivateKey(ctx.get(), leaf.key.get()) == 1);
        for (std::size_t i = 1; i < setup.chain.size(); ++i)
            SSL_CTX_add1_chain_cert(ctx.get(), setup.chain[i]->cert.get());
    }
    if (setup.second != nullptr) {
        SSL_CTX_use_certificate(ctx.get(), setup.second->cert.get());
        SSL_CTX_use_PrivateKey(ctx.get(), setup.second->key.get());
    }
    if (setup.tweak) setup.tweak(ctx.get());
    return ctx;
}

Handshake shake(SSL* client, SSL_CTX* server) {
    Handshake h;
    h.client.reset(client);
    h.server.reset(SSL_new(server));
    BIO *near = nullptr, *far = nullptr;
    DANELAW_CHECK(BIO_new_bio_pair(&near, 1 << 16, &far, 1 << 16) == 1);
    SSL_set_bio(client, near, near);
    SSL_set_bio(h.server.get(), far, far);
    SSL_set_connect_state(client);
    SSL_set_accept_state(h.server.get());
    for (int turn = 0; turn < 20; ++turn) {
        ERR_clear_error();
        const int c = SSL_do_handshake(client);
        const int wants = SSL_get_error(client, c);
        if (c != 1 && wants != SSL_ERROR_WANT_READ) {
            h.error = take_error("closed");
            return h;
        }
        ERR_clear_error();
        const int s = SSL_do_handshake(h.server.get());
        if (const char* name = SSL_get_servername(h.server.get(), TLSEXT_NAMETYPE_host_name)) h.sni = name;
        if (c == 1 && s == 1) {
            h.done = true;
            return h;
        }
    }
    h.error = "no progress";
    return h;
}

} // namespace danelaw::tls::test
