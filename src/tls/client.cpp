// TLS towards destinations: shared contexts, one prepared SSL object a connection, and the verdict after its handshake.
#include "danelaw/tls/client.hpp"
#include "verify_priv.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <map>
#include <mutex>
#include <tuple>

namespace danelaw::tls {

namespace {

// Nothing resumes (D-39); no anonymous or null ciphers even for `may` (DANE-113); a peer without safe renegotiation is
// refused by default.
constexpr const char* ciphers = "DEFAULT:!aNULL:!eNULL";
constexpr const char* groups = "X25519:P-256:P-384:P-521:X448"; // X25519 first: measured faster than P-256

std::optional<int> protocol_number(const std::string& text) {
    if (text == "1.0") return TLS1_VERSION;
    if (text == "1.1") return TLS1_1_VERSION;
    if (text == "1.2") return TLS1_2_VERSION;
    if (text == "1.3") return TLS1_3_VERSION;
    return std::nullopt;
}

CtxPtr client_context(const std::string& min_protocol) {
    const auto lowest = protocol_number(min_protocol);
    if (!lowest) return nullptr;
    CtxPtr ctx(SSL_CTX_new(TLS_client_method()));
    if (!ctx) return nullptr;
    // Level 1, not Debian's 2: RSA-1024 under DANE-EE, as Postfix (DANE-082). TLS 1.0 and 1.1 sign with MD5-SHA1, which
    // only level 0 lets pass.
    SSL_CTX_set_security_level(ctx.get(), *lowest < TLS1_2_VERSION ? 0 : 1);
    SSL_CTX_set_options(ctx.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
    install_verification(ctx.get());
    const bool made = SSL_CTX_set_min_proto_version(ctx.get(), *lowest) == 1 &&
                      SSL_CTX_set_cipher_list(ctx.get(), ciphers) == 1 &&
                      SSL_CTX_set1_groups_list(ctx.get(), groups) == 1;
    return made ? std::move(ctx) : nullptr;
}

Result<CtxPtr> web_context(const std::string& ca_file, const std::string& min_protocol) {
    CtxPtr ctx = client_context(min_protocol);
    if (!ctx) return tls_failure("making a TLS context");
    const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(ctx.get())
                                       : SSL_CTX_load_verify_file(ctx.get(), ca_file.c_str());
    if (loaded != 1) return tls_failure("reading the CA file " + (ca_file.empty() ? "of the system" : ca_file));
    ERR_clear_error();
    return ctx;
}

// `check` asks an RSA-and-ECDSA server for each of its certificates (H74). The suites say it to TLS 1.2 servers, the
// signature algorithms to all.
Result<void> restrict_keys(SSL* ssl, Client::KeyPreference keys) {
    if (keys == Client::KeyPreference::any) return {};
    const bool ecdsa = keys == Client::KeyPreference::ecdsa;
    const char* suites = ecdsa ? "aECDSA:!aNULL:!eNULL" : "aRSA:!aNULL:!eNULL";
    const char* algorithms = ecdsa ? "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519"
                                   : "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
    if (SSL_set_cipher_list(ssl, suites) != 1 || SSL_set1_sigalgs_list(ssl, algorithms) != 1)
        return tls_failure("restricting the kind of key");
    return {};
}

// MS-044: the same check as under enforce, of the hosts that the policy names; DANE's own hosts have none (MS-061).
bool watched(const dane::HostPlan& host) {
    return host.sts == dane::HostPlan::Sts::testing && host.sts_matches && !host.tlsa_in_force();
}

Check check_for(const dane::HostPlan& host) {
    switch (host.requirement) {
    case dane::Requirement::dane: return Check::dane;
    case dane::Requirement::pkix:
    case dane::Requirement::mta_sts: return Check::web;
    case dane::Requirement::may:
    case dane::Requirement::encrypt: return watched(host) ? Check::watch : Check::none;
    case dane::Requirement::none:
    case dane::Requirement::skip: return Check::none;
    }
    return Check::none;
}

bool by_web_pki(Check check) {
    return check == Check::web || check == Check::watch;
}

// The names that the plan accepts; the base always (DANE-100).
std::vector<std::string> reference_names(const dane::HostPlan& host) {
    if (by_web_pki(check_for(host))) return {host.name.text()};
    if (!host.reference_names.empty()) return host.reference_names;
    return {host.tlsa_base.text()};
}

} // namespace

CtxPtr bare_context(const std::string& min_protocol) {
    CtxPtr ctx = client_context(min_protocol);
    if (!ctx || SSL_CTX_dane_enable(ctx.get()) <= 0) return nullptr;
    // Digest agility was decided by dane::effective() in the configured order (DANE-070); with equal ranks the
    // library's own can't contradict it.
    if (SSL_CTX_dane_mtype_set(ctx.get(), EVP_sha256(), 1, 1) <= 0 ||
        SSL_CTX_dane_mtype_set(ctx.get(), EVP_sha512(), 2, 1) <= 0)
        return nullptr;
    return ctx;
}

// One context for each kind, CA file and lowest protocol: building one costs more than a handshake.
struct Client::Impl {
    std::mutex guard; // delivery runs on several threads; nothing is awaited under it
    std::map<std::tuple<Check, std::string, std::string>, CtxPtr> contexts;

    // With a reference of its own: the map may let go of it meanwhile.
    Result<CtxPtr> context(Check check, const std::string& ca_file, const std::string& min_protocol) {
        const std::lock_guard lock(guard);
        const bool web = by_web_pki(check);
        CtxPtr& slot = contexts[{web ? Check::web : Check::none, web ? ca_file : std::string(), min_protocol}];
        if (slot) {
            // made before
        } else if (web) {
            auto made = web_context(ca_file, min_protocol);
            if (!made) return fail(made.error());
            slot = std::move(*made);
        } else {
            slot = bare_context(min_protocol);
            if (!slot) return tls_failure("making a TLS context for protocol " + min_protocol);
        }
        SSL_CTX_up_ref(slot.get());
        return CtxPtr(slot.get());
    }

    void forget_web() {
        const std::lock_guard lock(guard);
        std::erase_if(contexts, [](const auto& one) { return std::get<Check>(one.first) == Check::web; });
    }
};

namespace {

// For the record and the report only (MS-044, D-35).
void watch(SSL* ssl, const Examination& exam, const std::vector<X509*>& chain, const dane::HostPlan& host,
           Outcome& outcome) {
    Outcome would;
    conclude(ssl, exam, chain, {reference_names(host), {}}, would);
    outcome.web_pki = would.passed ? Reason::none : would.reason;
    outcome.web_pki_code = would.failure_code;
    if (would.passed && SSL_version(ssl) < TLS1_2_VERSION) { // MS-042
        outcome.web_pki = Reason::validation_failure;
        outcome.web_pki_code = "tls-version";
    }
}

} // namespace

Client::Client() : impl_(std::make_unique<Impl>()) {}
Client::~Client() = default;

void Client::reload_authorities() {
    impl_->forget_web();
}

Result<ssl_st*> Client::prepare(const dane::HostPlan& host, KeyPreference keys) {
    Check check = check_for(host);
    const bool for_tls = host.requirement != dane::Requirement::none && host.requirement != dane::Requirement::skip;
    if (!for_tls) return fail(Errc::tls, "no TLS is planned for this host");
    ERR_clear_error();
    auto ctx = impl_->context(check, host.ca_file, host.min_protocol);
    if (!ctx && check == Check::watch) { // what decides nothing stops nothing
        check = Check::none;
        ctx = impl_->context(check, host.ca_file, host.min_protocol);
    }
    if (!ctx) return fail(ctx.error());
    SslPtr ssl(SSL_new(ctx->get()));
    if (!ssl || examine(ssl.get(), check) == nullptr) return tls_failure("making a TLS session");
    SSL_set_connect_state(ssl.get());
    if (!host.sni.empty() && SSL_set_tlsext_host_name(ssl.get(), host.sni.c_str()) != 1) // DANE-110, DANE-111
        return tls_failure("setting SNI");
    if (check == Check::dane)
        if (auto set = expect_dane(ssl.get(), reference_names(host), host.records); !set) return fail(set.error());
    if (by_web_pki(check))
        if (auto set = expect_web(ssl.get(), host.name.text()); !set) return fail(set.error());
    if (auto set = restrict_keys(ssl.get(), keys); !set) return fail(set.error());
    return ssl.release();
}

Outcome Client::judge(ssl_st* ssl, const dane::HostPlan& host) const {
    Outcome o;
    o.reason = Reason::validation_failure;
    if (ssl == nullptr || SSL_is_init_finished(ssl) != 1) {
        o.text = "the TLS handshake did not complete";
        o.failure_code = "handshake-incomplete";
        return o;
    }
    o.protocol = SSL_get_version(ssl);
    o.cipher = SSL_get_cipher_name(ssl);
    const Examination* exam = examination(ssl);
    const Check check = check_for(host);
    const bool unwatched = check == Check::watch && exam != nullptr && exam->check == Check::none;
    if (exam == nullptr || (exam->check != check && !unwatched)) { // prepared for another requirement
        o.text = "the TLS session was not prepared for this requirement";
        o.failure_code = "not-verified";
        return o;
    }
    const auto chain = sent_chain(ssl);
    for (X509* cert : chain) o.chain.push_back(facts(cert));
    if (check == Check::none || check == Check::watch) {
        if (check == Check::watch && !unwatched) watch(ssl, *exam, chain, host, o);
        o.passed = true;
        o.level = Level::encrypted;
        o.reason = Reason::none;
        return o;
    }
    const Accepted accepted{reference_names(host), host.records};
    conclude(ssl, *exam, chain, accepted, o);
    if (check == Check::web) {
        o.web_pki = o.reason;
        o.web_pki_code = o.failure_code;
        if (o.passed) o.level = host.requirement == dane::Requirement::mta_sts ? Level::mta_sts : Level::pkix;
    }
    return o;
}

Outcome Client::failed_handshake(const Error& error, const dane::HostPlan& host) const {
    Outcome o;
    o.reason = Reason::tls_handshake_failed; // DANE-117: time-out, alert, close and garbage alike
    o.text = "TLS handshake with " + host.name.text() + " failed: " + error.detail;
    switch (error.code) {
    case Errc::timeout: o.failure_code = "handshake-timeout"; break;
    case Errc::closed: o.failure_code = "handshake-closed"; break;
    case Errc::tls: o.failure_code = "handshake-failed"; break;
    case Errc::io:
    case Errc::cancelled:
    case Errc::parse:
    case Errc::limit:
    case Errc::dns:
    case Errc::config:
    case Errc::not_found:
    case Errc::full:
    case Errc::damaged:
    case Errc::unavailable:
    case Errc::stale: o.failure_code = "handshake-broken"; break;
    }
    return o;
}

namespace {

std::string name_that_matched(X509* leaf, const std::vector<std::string>& names) {
    for (const std::string& name : names)
        if (X509_check_host(leaf, name.data(), name.size(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1)
            return name;
    return {};
}

} // namespace

void conclude(SSL* ssl, const Examination& exam, const std::vector<X509*>& chain, const Accepted& accepted,
              Outcome& outcome) {
    const bool dane = exam.check == Check::dane;
    // X509_V_OK alone proves nothing: it is also what a handshake without verification, and a resumed one, read.
    const bool verified = exam.ran && exam.error == X509_V_OK && SSL_get_verify_result(ssl) == X509_V_OK &&
                          SSL_session_reused(ssl) == 0 && !chain.empty();
    const bool matched = exam.authority >= 0 && exam.record && exam.record->usage >= 2;
    outcome.passed = verified && (!dane || matched);
    if (!outcome.passed) {
        Finding f = classify(exam, chain, accepted.records, accepted.names);
        outcome.reason = f.reason;
        outcome.text = std::move(f.text);
        outcome.failure_code = std::move(f.code);
        return;
    }
    outcome.reason = Reason::none;
    if (!dane) return;
    outcome.level = exam.record->usage == 3 ? Level::dane_ee : Level::dane_ta;
    outcome.matched = Matched{*exam.record, exam.authority, {}};
    if (exam.record->usage == 2) outcome.matched->name = name_that_matched(chain[0], accepted.names);
}

} // namespace danelaw::tls
