// TLS towards clients. RFC 3207 4; RFC 8314; RFC 9325. SS-070…SS-077.
#include "danelaw/tls/server.hpp"

#include "danelaw/base/text.hpp"
#include "openssl_priv.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace danelaw::tls {

namespace {

Result<std::string> read_file(const std::string& path, std::string_view what) {
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in.is_open() || in.bad())
        return fail(Errc::config, std::string(what) + " " + path + " can't be read: " + std::strerror(errno));
    return text;
}

// Without this OpenSSL would ask the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

Result<void> use_chain(SSL_CTX* ctx, const std::string& path) {
    auto text = read_file(path, "the certificate");
    if (!text) return fail(text.error());
    auto chain = certificates_from_pem(*text);
    if (!chain) return fail(Errc::config, path + ": " + chain.error().detail);
    if (chain->empty()) return fail(Errc::config, path + " holds no certificate in PEM form");
    if (SSL_CTX_use_certificate(ctx, chain->front().get()) != 1)
        return fail(Errc::config, path + ": certificate refused: " + take_error("unknown error"));
    for (std::size_t i = 1; i < chain->size(); ++i)
        if (SSL_CTX_add1_chain_cert(ctx, (*chain)[i].get()) != 1)
            return fail(Errc::config, path + ": chain refused: " + take_error("unknown error"));
    return {};
}

Result<void> use_key(SSL_CTX* ctx, const std::string& path, const std::string& certificate) {
    auto text = read_file(path, "the private key");
    if (!text) return fail(text.error());
    ERR_clear_error();
    const BioPtr in = memory_bio(*text);
    const KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
    if (!key) {
        const bool locked = text->contains("ENCRYPTED");
        ERR_clear_error();
        return fail(Errc::config, path + (locked ? " is encrypted: a passphrase can't be given"
                                                 : " holds no private key in PEM form"));
    }
    if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key.get()) != 1) {
        ERR_clear_error();
        return fail(Errc::config, "the private key " + path + " does not belong to the certificate " + certificate);
    }
    if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1)
        return fail(Errc::config, path + ": key refused: " + take_error("unknown error"));
    return {};
}

// The verification runs and is recorded; it never ends the handshake (SS-076).
int note_client(X509_STORE_CTX* store, void*) {
    const int verified = X509_verify_cert(store);
    if (verified <= 0 && X509_STORE_CTX_get_error(store) == X509_V_OK)
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
    ERR_clear_error();
    return 1;
}

Result<void> ask_clients(SSL_CTX* ctx, const std::string& ca_file) {
    auto text = read_file(ca_file, "client_ca");
    if (!text) return fail(text.error());
    auto authorities = certificates_from_pem(*text);
    if (!authorities) return fail(Errc::config, ca_file + ": " + authorities.error().detail);
    if (authorities->empty()) return fail(Errc::config, ca_file + " holds no certificate in PEM form");
    for (const CertPtr& authority : *authorities)
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), authority.get()) != 1 ||
            SSL_CTX_add_client_CA(ctx, authority.get()) != 1)
            return fail(Errc::config, ca_file + ": " + take_error("unknown error"));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(ctx, note_client, nullptr);
    return {};
}

// TLS 1.2 or later; nothing resumes, so that no session escapes a reload or keeps a client's rights; no renegotiation.
CtxPtr listening_context() {
    CtxPtr ctx(SSL_CTX_new(TLS_server_method()));
    if (!ctx) return nullptr;
    SSL_CTX_set_security_level(ctx.get(), 1);
    SSL_CTX_set_options(ctx.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx.get(), 0);
    SSL_CTX_set_mode(ctx.get(),
                     SSL_MODE_NO_AUTO_CHAIN); // only what the file holds, client_ca's certificates don't slip in
    SSL_CTX_set_dh_auto(ctx.get(), 1);
    const bool made = SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION) == 1 &&
                      SSL_CTX_set_cipher_list(ctx.get(), "DEFAULT:!aNULL:!eNULL") == 1 &&
                      SSL_CTX_set1_groups_list(ctx.get(), "X25519:P-256:P-384:P-521:X448") == 1;
    return made ? std::move(ctx) : nullptr;
}

} // namespace

struct ServerContext::Impl {
    CtxPtr ctx;
};

ServerContext::ServerContext() : impl_(std::make_unique<Impl>()) {}
ServerContext::~ServerContext() = default;

Result<std::shared_ptr<const ServerContext>> ServerContext::load(const ServerFiles& files) {
    const std::shared_ptr<ServerContext> made(new ServerContext());
    made->impl_->ctx = listening_context();
    SSL_CTX* ctx = made->impl_->ctx.get();
    if (ctx == nullptr) return tls_failure("making a TLS context");
    if (auto used = use_chain(ctx, files.certificate); !used) return fail(used.error());
    const std::string& key = files.private_key.empty() ? files.certificate : files.private_key;
    if (auto used = use_key(ctx, key, files.certificate); !used) return fail(used.error());
    if (!files.client_ca.empty())
        if (auto asked = ask_clients(ctx, files.client_ca); !asked) return fail(asked.error());
    return made;
}

Result<ssl_st*> ServerContext::prepare() const {
    ERR_clear_error();
    SSL* ssl = SSL_new(impl_->ctx.get());
    if (ssl == nullptr) return tls_failure("making a TLS session");
    SSL_set_accept_state(ssl);
    return ssl;
}

ServerFacts server_facts(const ssl_st* ssl) {
    ServerFacts f;
    f.protocol = SSL_get_version(ssl);
    f.cipher = SSL_get_cipher_name(ssl);
    if (const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)) f.sni = printable(name, 255);
    const X509* cert = SSL_get0_peer_certificate(ssl);
    if (cert == nullptr) return f;
    const long verified = SSL_get_verify_result(ssl);
    if (verified == X509_V_OK && SSL_get_verify_mode(ssl) == SSL_VERIFY_PEER)
        f.client = printable(name_text(X509_get_subject_name(cert)), 255);
    else
        f.client_refused = verified == X509_V_OK ? "not verified" : X509_verify_cert_error_string(verified);
    return f;
}

} // namespace danelaw::tls
