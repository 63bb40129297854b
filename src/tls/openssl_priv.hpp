// OpenSSL's objects with owners, and its error queue as text. Used inside the tls module only.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::tls {

template <auto release> struct Release {
    template <class T> void operator()(T* p) const { release(p); }
};
using CtxPtr = std::unique_ptr<SSL_CTX, Release<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Release<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, Release<BIO_free_all>>;
using CertPtr = std::unique_ptr<X509, Release<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;
using Chain = std::vector<CertPtr>;

// What the library last complained about, for people; the queue is empty afterwards, so that the next caller does not
// read ours.
std::string take_error(std::string_view otherwise);
std::unexpected<Error> tls_failure(std::string_view doing);

std::string der(const X509* cert);
std::string spki_der(const X509* cert);
std::string spki_der(EVP_PKEY* key);
std::string name_text(const X509_NAME* name);
std::string digest(std::string_view octets, const EVP_MD* algorithm); // raw octets
std::optional<Time> time_from(const ASN1_TIME* when);

// What a TLSA record with these parameters would hold for a certificate with this DER and SPKI; nullopt: no such
// selector or matching type.
std::optional<std::string> association(std::string_view cert_der, std::string_view spki, unsigned selector,
                                       unsigned matching);

BioPtr memory_bio(std::string_view octets); // reads from `octets`, which must outlive it
// Every CERTIFICATE block of a PEM text in order; other blocks are passed over. Errors: parse, when one is damaged.
Result<Chain> certificates_from_pem(std::string_view pem);

} // namespace danelaw::tls
