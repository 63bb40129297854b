// What the certificates that a peer sent say about themselves. For records and people: no decision depends on it.
#include "danelaw/base/text.hpp"
#include "verify_priv.hpp"

#include <openssl/x509v3.h>

namespace danelaw::tls {

namespace {

std::vector<std::string> dns_names(X509* cert) {
    std::vector<std::string> names;
    auto* list = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(list, i);
        if (name->type != GEN_DNS) continue;
        const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
        names.push_back(printable({text, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}, 255));
    }
    GENERAL_NAMES_free(list);
    return names;
}

std::string key_text(X509* cert) {
    EVP_PKEY* key = X509_get0_pubkey(cert);
    if (key == nullptr) return "unknown";
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        char group[64] = {};
        std::size_t n = 0;
        if (EVP_PKEY_get_group_name(key, group, sizeof group, &n) == 1) {
            const char* nist = EC_curve_nid2nist(OBJ_sn2nid(group));
            return std::string("EC ") + (nist != nullptr ? nist : group);
        }
    }
    const char* type = EVP_PKEY_get0_type_name(key);
    return std::string(type != nullptr ? type : "unknown") + " " + std::to_string(EVP_PKEY_get_bits(key));
}

} // namespace

CertificateFacts facts(X509* cert) {
    CertificateFacts f;
    f.subject = printable(name_text(X509_get_subject_name(cert)));
    f.issuer = printable(name_text(X509_get_issuer_name(cert)));
    f.names = dns_names(cert);
    f.not_before = time_from(X509_get0_notBefore(cert)).value_or(Time{});
    f.not_after = time_from(X509_get0_notAfter(cert)).value_or(Time{});
    f.spki_sha256 = hex(digest(spki_der(cert), EVP_sha256()));
    f.cert_sha256 = hex(digest(der(cert), EVP_sha256()));
    f.key = key_text(cert);
    return f;
}

std::vector<X509*> sent_chain(SSL* ssl) {
    std::vector<X509*> chain;
    const STACK_OF(X509)* sent = SSL_get_peer_cert_chain(ssl); // on a client the leaf is in it
    for (int i = 0; i < sk_X509_num(sent); ++i) chain.push_back(sk_X509_value(sent, i));
    return chain;
}

} // namespace danelaw::tls
