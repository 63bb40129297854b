// TLS towards destinations: contexts made once, one SSL object per connection with its verification set up, and the
// verdict. OpenSSL's DANE engine does the matching; what counts is decided here, and a handshake whose verdict is not a
// pass never sees MAIL FROM (DANE-120). The certificate store of a DANE handshake is empty (D-07); nothing resumes
// (D-39).
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/base/words.hpp"
#include "danelaw/dane/plan.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct ssl_st;

namespace danelaw::tls {

// The record that authenticated, and at which depth of the chain.
struct Matched {
    dns::Tlsa record;
    int depth = 0;
    std::string name; // the reference name that matched; "" for DANE-EE
};

struct CertificateFacts { // of the chain as sent; for records and people, no decision depends on them
    std::string subject, issuer;
    std::vector<std::string> names;
    Time not_before{}, not_after{};
    std::string spki_sha256, cert_sha256;
    std::string key; // "EC P-256", "RSA 2048"
};

// What the handshake came to. `passed` only when everything that the requirement asks holds.
struct Outcome {
    bool passed = false;
    Level level = Level::none;
    Reason reason = Reason::none; // RFC 8460's word when not passed
    std::string text;             // for people; names the check that failed, and hints (H68, H69)
    std::string failure_code;     // X509_V_ERR_… name or own short word: TLSRPT failure-reason-code (TR-012)
    std::optional<Matched> matched;
    std::string protocol, cipher;
    std::vector<CertificateFacts> chain; // as sent, of every finished handshake
    // Under an MTA-STS policy in testing mode: what web PKI would have said, none when it would have passed (MS-044).
    // nullopt: not looked at.
    std::optional<Reason> web_pki;
    std::string web_pki_code;
};

class Client {
  public:
    Client(); // builds the shared contexts: DANE (no CA store), per-CA-file web PKI ones on demand
    ~Client();
    // CA files, and the system's, are read again for the next handshake: an authority taken out of them is out.
    void reload_authorities();
    // A new SSL object for this host: min_protocol, SNI, TLSA records, reference names. Errors: errc::tls (then the
    // host is skipped, DANE-074).
    enum class KeyPreference { any, ecdsa, rsa }; // `check` probes both kinds (H74)
    Result<ssl_st*> prepare(const dane::HostPlan& host, KeyPreference keys = KeyPreference::any);
    // After a completed handshake: the one gate before MAIL.
    Outcome judge(ssl_st* ssl, const dane::HostPlan& host) const;
    // After a failed handshake: the reason and text from the library's error.
    Outcome failed_handshake(const Error& error, const dane::HostPlan& host) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Offline: would this PEM chain (leaf first) pass at base names.front() under these records? (DANE-147). Same
// verification code.
struct OfflineRequest {
    std::vector<std::string> names;
    std::vector<dns::Tlsa> records;
    std::string chain_pem;
    std::optional<Time> at;
};
Result<Outcome> verify_offline(const OfflineRequest& request);

} // namespace danelaw::tls
