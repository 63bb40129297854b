// The one piece of code that judges a certificate chain, live and offline (DANE-130, DANE-147): what is to be checked
// hangs at the SSL object, libssl (or verify_offline) calls the verification, and the findings are read afterwards.
#pragma once

#include "danelaw/tls/client.hpp"
#include "openssl_priv.hpp"

namespace danelaw::tls {

// `watch`: web PKI is looked at and decides nothing (MTA-STS in testing mode).
enum class Check { none, dane, web, watch };

// Belongs to the SSL object and lives as long.
struct Examination {
    Check check = Check::none;
    bool ran = false;                   // a handshake without a certificate never runs it
    int error = X509_V_ERR_UNSPECIFIED; // fail closed: only a finished verification sets X509_V_OK
    int error_depth = 0;
    int authority = -1;              // depth of the DANE match, also when a later check failed
    std::optional<dns::Tlsa> record; // that matched
};

// Attaches a fresh examination; null when out of memory.
Examination* examine(SSL* ssl, Check check);
const Examination* examination(const SSL* ssl); // null: not prepared by us

void install_verification(SSL_CTX* ctx); // SSL_CTX_set_cert_verify_callback with verify_chain
int verify_chain(X509_STORE_CTX* store, void* unused) noexcept;

// TLSA records, reference names and their flags onto an SSL object; Errc::tls when the library refuses (DANE-074).
Result<void> expect_dane(SSL* ssl, const std::vector<std::string>& names, const std::vector<dns::Tlsa>& records);
Result<void> expect_web(SSL* ssl, const std::string& name);

// The findings in RFC 8460's words. `chain`: as sent, leaf first.
struct Finding {
    Reason reason = Reason::none;
    std::string text, code;
};
Finding classify(const Examination& exam, const std::vector<X509*>& chain, const std::vector<dns::Tlsa>& records,
                 const std::vector<std::string>& names);
std::string error_name(int x509_error); // "X509_V_ERR_HOSTNAME_MISMATCH"

// Which other parameters or certificates would have matched (H68), and what was sent (H69). "" when there is nothing to
// say.
std::string hints(const std::vector<X509*>& chain, const std::vector<dns::Tlsa>& records);

std::vector<X509*> sent_chain(SSL* ssl); // borrowed from the SSL object, leaf first
CertificateFacts facts(X509* cert);

struct Accepted {
    std::vector<std::string> names;
    std::vector<dns::Tlsa> records;
};
// The verdict after verification, for dane and web checks; fills passed, level, matched or reason, text, failure_code,
// chain.
void conclude(SSL* ssl, const Examination& exam, const std::vector<X509*>& chain, const Accepted& accepted,
              Outcome& outcome);

CtxPtr bare_context(const std::string& min_protocol); // no CA store: DANE and unauthenticated TLS

} // namespace danelaw::tls
