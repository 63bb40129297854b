// OpenSSL's objects with owners, and its error queue as text.
#include "openssl_priv.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

namespace danelaw::tls {

std::string take_error(std::string_view otherwise) {
    // The first entry is the cause, later ones are its consequences.
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return std::string(otherwise);
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? std::string(reason) : "error " + std::to_string(code);
}

std::unexpected<Error> tls_failure(std::string_view doing) {
    return fail(Errc::tls, std::string(doing) + ": " + take_error("unknown error"));
}

namespace {

std::string bio_text(BIO* bio) {
    char* data = nullptr;
    const long n = BIO_get_mem_data(bio, &data);
    return n > 0 ? std::string(data, static_cast<std::size_t>(n)) : std::string();
}

template <class Encode, class Object> std::string encoded(Encode encode, Object* object) {
    unsigned char* out = nullptr;
    const int n = encode(object, &out);
    if (n <= 0) return {};
    std::string octets(reinterpret_cast<char*>(out), static_cast<std::size_t>(n));
    OPENSSL_free(out);
    return octets;
}

} // namespace

std::string der(const X509* cert) {
    return encoded(i2d_X509, cert);
}
std::string spki_der(const X509* cert) {
    return encoded(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(cert));
}
std::string spki_der(EVP_PKEY* key) {
    return encoded(i2d_PUBKEY, key);
}

std::string name_text(const X509_NAME* name) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
    return bio_text(out.get());
}

std::string digest(std::string_view octets, const EVP_MD* algorithm) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(octets.data(), octets.size(), out, &n, algorithm, nullptr) != 1) return {};
    return {reinterpret_cast<char*>(out), n};
}

std::optional<Time> time_from(const ASN1_TIME* when) {
    std::tm parts{};
    if (when == nullptr || ASN1_TIME_to_tm(when, &parts) != 1) return std::nullopt;
    const auto date = std::chrono::year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday;
    return Time(std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
                std::chrono::seconds(parts.tm_sec));
}

std::optional<std::string> association(std::string_view cert_der, std::string_view spki, unsigned selector,
                                       unsigned matching) {
    if (selector > 1) return std::nullopt;
    const std::string_view whole = selector == 0 ? cert_der : spki;
    switch (matching) {
    case 0: return std::string(whole);
    case 1: return digest(whole, EVP_sha256());
    case 2: return digest(whole, EVP_sha512());
    default: return std::nullopt;
    }
}

BioPtr memory_bio(std::string_view octets) {
    return BioPtr(BIO_new_mem_buf(octets.data(), static_cast<int>(octets.size())));
}

Result<Chain> certificates_from_pem(std::string_view pem) {
    const BioPtr in = memory_bio(pem);
    Chain chain;
    ERR_clear_error();
    while (X509* cert = PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)) chain.emplace_back(cert);
    const unsigned long last = ERR_peek_last_error();
    const bool ended = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (!ended) return fail(Errc::parse, "damaged certificate in PEM text: " + take_error("unknown error"));
    ERR_clear_error();
    return chain;
}

} // namespace danelaw::tls
