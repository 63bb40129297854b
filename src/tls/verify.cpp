// Does the peer's certificate chain satisfy what this host must show? One verification, live and offline.
// RFC 7671 4-10, RFC 7672 3. Traps of OpenSSL's DANE engine that are handled here: usages 0 and 1 are accepted by it
// (the caller has filtered them, DANE-061); no record at all silently means web PKI (we refuse); without a reference
// name any name passes (we refuse); names are checked under DANE-EE unless told otherwise (DANE-081); X509_V_OK is also
// what an unverified handshake reads.
#include "verify_priv.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace danelaw::tls {

namespace {

// OpenSSL looks at the dates of every certificate of the path but of an anchor that is not self-signed: D-08, DANE-096
// want that one's too. Null: the anchor is a bare key, which has none.
int date_error(X509_STORE_CTX* store, X509* anchor) {
    if (anchor == nullptr) return X509_V_OK;
    const X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(store);
    const int place = X509_cmp_timeframe(param, X509_get0_notBefore(anchor), X509_get0_notAfter(anchor));
    return place == 0 ? X509_V_OK : place > 0 ? X509_V_ERR_CERT_HAS_EXPIRED : X509_V_ERR_CERT_NOT_YET_VALID;
}

// Verification strength, apart from the handshake's: level 1 as Postfix (DANE-082), so that RSA-1024 under DANE-EE
// passes while MD5 and SHA-1 signatures in a DANE-TA chain do not.
constexpr int verification_level = 1;

void release_examination(void*, void* pointer, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<Examination*>(pointer);
}

// Slot 0 (SSL_set_app_data) is Asio's.
int examination_slot() {
    static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, release_examination);
    return slot;
}

std::optional<dns::Tlsa> matched_record(SSL* ssl) {
    dns::Tlsa record;
    const unsigned char* data = nullptr;
    std::size_t size = 0;
    if (SSL_get0_dane_tlsa(ssl, &record.usage, &record.selector, &record.matching, &data, &size) < 0 || data == nullptr)
        return std::nullopt;
    record.data.assign(reinterpret_cast<const char*>(data), size);
    return record;
}

} // namespace

Examination* examine(SSL* ssl, Check check) {
    auto exam = std::make_unique<Examination>();
    exam->check = check;
    if (SSL_set_ex_data(ssl, examination_slot(), exam.get()) != 1) return nullptr;
    return exam.release();
}

const Examination* examination(const SSL* ssl) {
    return static_cast<const Examination*>(SSL_get_ex_data(ssl, examination_slot()));
}

void install_verification(SSL_CTX* ctx) {
    // The handshake goes on whatever the verification finds, so that the chain can be logged and the session ended with
    // QUIT; the gate is judge().
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_cert_verify_callback(ctx, verify_chain, nullptr);
}

int verify_chain(X509_STORE_CTX* store, void*) noexcept {
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto* exam = ssl == nullptr ? nullptr : static_cast<Examination*>(SSL_get_ex_data(ssl, examination_slot()));
    if (exam == nullptr) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    if (exam->check == Check::none) return 1; // nothing is asked: `encrypted` is all this can become
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(store), verification_level);
    const int verified = X509_verify_cert(store);
    exam->error = X509_STORE_CTX_get_error(store);
    if (verified <= 0 && exam->error == X509_V_OK) exam->error = X509_V_ERR_UNSPECIFIED;
    exam->error_depth = X509_STORE_CTX_get_error_depth(store);
    if (exam->check == Check::dane) {
        X509* anchor = nullptr;
        EVP_PKEY* key = nullptr;
        exam->authority = SSL_get0_dane_authority(ssl, &anchor, &key);
        if (key != nullptr) ++exam->authority; // a bare key: the library names the certificate that it signed
        exam->record = matched_record(ssl);
        if (exam->error == X509_V_OK && exam->record && exam->record->usage == 2) {
            exam->error = date_error(store, anchor);
            if (exam->error != X509_V_OK) exam->error_depth = exam->authority;
        }
    }
    exam->ran = true;
    X509_STORE_CTX_set_error(store, exam->error);
    ERR_clear_error();
    return exam->error == X509_V_OK ? 1 : 0;
}

namespace {

// DNS names only: SSL_add1_host would take an address literal for an address (DANE-107). `*` is one whole first label
// (DANE-105).
Result<void> set_names(SSL* ssl, const std::vector<std::string>& names) {
    X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (names.empty() || names.front().empty())
        return fail(Errc::tls, "no reference name to check the certificate for");
    if (X509_VERIFY_PARAM_set1_host(param, names.front().c_str(), 0) != 1)
        return tls_failure("setting the reference name");
    for (std::size_t i = 1; i < names.size(); ++i) {
        if (names[i].empty()) continue;
        if (X509_VERIFY_PARAM_add1_host(param, names[i].c_str(), 0) != 1) return tls_failure("adding a reference name");
    }
    return {};
}

} // namespace

Result<void> expect_dane(SSL* ssl, const std::vector<std::string>& names, const std::vector<dns::Tlsa>& records) {
    if (names.empty() || names.front().empty()) return fail(Errc::tls, "DANE without a TLSA base domain");
    if (SSL_dane_enable(ssl, names.front().c_str()) <= 0) return tls_failure("switching DANE on");
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); // DANE-081
    if (auto named = set_names(ssl, names); !named) return named;
    std::size_t taken = 0;
    std::string refusal = "no record was offered";
    for (const dns::Tlsa& r : records) {
        if (r.usage < 2) continue; // DANE-061: whatever the caller did, a PKIX usage never reaches the library
        const auto* data = reinterpret_cast<const unsigned char*>(r.data.data());
        const int added = SSL_dane_tlsa_add(ssl, r.usage, r.selector, r.matching, data, r.data.size());
        if (added < 0) return tls_failure("adding a TLSA record");
        if (added == 0)
            refusal = take_error("refused");
        else
            ++taken;
    }
    // Without a record the library would fall back to web PKI (DANE-074).
    if (taken == 0) return fail(Errc::tls, "the TLS library took none of the TLSA records: " + refusal);
    return {};
}

Result<void> expect_web(SSL* ssl, const std::string& name) {
    if (auto named = set_names(ssl, {name}); !named) return named;
    // RFC 8461 4.1, 3.3: a DNS name in subjectAltName; the common name never (MS-011, MS-041).
    X509_VERIFY_PARAM_set_hostflags(SSL_get0_param(ssl),
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return {};
}

} // namespace danelaw::tls
