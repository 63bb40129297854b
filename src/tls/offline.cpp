// Would this chain pass under these records? Without a network or a private key, by the verification that live
// handshakes use (DANE-130, DANE-147): the store context is furnished as libssl's ssl_verify_cert_chain() does it.
#include "danelaw/dane/tlsa.hpp"
#include "danelaw/dns/name.hpp"
#include "verify_priv.hpp"

namespace danelaw::tls {

namespace {

using StackPtr = std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * s) { sk_X509_free(s); })>;
using StorePtr = std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX_free>>;

Result<void> run_verification(SSL* ssl, const std::vector<X509*>& chain, std::optional<Time> at) {
    const StackPtr sent(sk_X509_new_null());
    const StorePtr store(X509_STORE_CTX_new());
    if (!sent || !store) return tls_failure("making a verification");
    for (X509* cert : chain) sk_X509_push(sent.get(), cert);
    X509_STORE* anchors = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)); // empty
    if (X509_STORE_CTX_init(store.get(), anchors, chain.front(), sent.get()) != 1 ||
        X509_STORE_CTX_set_ex_data(store.get(), SSL_get_ex_data_X509_STORE_CTX_idx(), ssl) != 1)
        return tls_failure("starting a verification");
    X509_STORE_CTX_set0_dane(store.get(), SSL_get0_dane(ssl));
    X509_STORE_CTX_set_default(store.get(), "ssl_server");
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(store.get());
    if (X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl)) != 1) return tls_failure("setting up a verification");
    if (at) X509_VERIFY_PARAM_set_time(param, std::chrono::floor<Seconds>(*at).time_since_epoch().count());
    verify_chain(store.get(), nullptr);
    SSL_set_verify_result(ssl, X509_STORE_CTX_get_error(store.get()));
    return {};
}

Result<std::vector<std::string>> canonical(const std::vector<std::string>& names) {
    std::vector<std::string> canonical_names;
    for (const std::string& text : names) {
        const auto name = dns::Name::from(text);
        if (!name || name->empty()) return fail(Errc::parse, "not a host name: " + text);
        canonical_names.push_back(name->text());
    }
    if (canonical_names.empty()) return fail(Errc::parse, "no name given");
    return canonical_names;
}

} // namespace

Result<Outcome> verify_offline(const OfflineRequest& request) {
    auto names = canonical(request.names);
    if (!names) return fail(names.error());
    if (request.records.empty()) return fail(Errc::parse, "no TLSA record given");
    auto certificates = certificates_from_pem(request.chain_pem);
    if (!certificates) return fail(certificates.error());
    if (certificates->empty()) return fail(Errc::parse, "no certificate in the chain");
    std::vector<X509*> chain;
    for (const CertPtr& cert : *certificates) chain.push_back(cert.get());

    Outcome outcome;
    const std::vector<dns::Tlsa> records = dane::effective(request.records);
    if (records.empty()) { // DANE-064: TLS is compulsory, authentication is not asked
        outcome.passed = true;
        outcome.level = Level::encrypted;
        outcome.text = "no usable TLSA record: TLS without authentication";
        return outcome;
    }
    const CtxPtr ctx = bare_context("1.2");
    const SslPtr ssl(ctx ? SSL_new(ctx.get()) : nullptr);
    if (!ssl || examine(ssl.get(), Check::dane) == nullptr) return tls_failure("making a TLS session");
    if (auto set = expect_dane(ssl.get(), *names, records); !set) return fail(set.error());
    if (auto ran = run_verification(ssl.get(), chain, request.at); !ran) return fail(ran.error());
    const Accepted accepted{*names, records};
    conclude(ssl.get(), *examination(ssl.get()), chain, accepted, outcome);
    for (X509* cert : chain) outcome.chain.push_back(facts(cert));
    return outcome;
}

} // namespace danelaw::tls
