// Which TLSA record belongs to a certificate or key. RFC 6698 2.1, RFC 7671 5.1, RFC 7672 3.1. DANE-146.
#include "danelaw/base/text.hpp"
#include "danelaw/dane/tlsa.hpp"
#include "danelaw/tls/client.hpp"
#include "danelaw/tls/tools.hpp"
#include "openssl_priv.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace danelaw::tls {

namespace {

bool looks_like_pem(std::string_view file) {
    return file.contains("-----BEGIN ");
}

const unsigned char* octets(std::string_view s) {
    return reinterpret_cast<const unsigned char*>(s.data());
}

CertPtr certificate_from_der(std::string_view der_text) {
    const unsigned char* at = octets(der_text);
    CertPtr cert(d2i_X509(nullptr, &at, static_cast<long>(der_text.size())));
    if (cert && at != octets(der_text) + der_text.size()) cert.reset();
    ERR_clear_error();
    return cert;
}

Result<Subject> key_subject(const KeyPtr& key, std::string_view what) {
    ERR_clear_error();
    if (!key) return fail(Errc::parse, "no " + std::string(what) + " in PEM or DER form");
    Subject subject{spki_der(key.get()), {}};
    if (subject.key.empty()) return fail(Errc::parse, "the key has no public half");
    return subject;
}

int no_passphrase(char*, int, int, void*) {
    return -1;
}

bool is_authority(const Subject& subject) {
    const CertPtr cert = certificate_from_der(subject.certificate);
    return cert && X509_check_ca(cert.get()) > 0;
}

std::string pem_of(const Subject& subject) {
    return "-----BEGIN CERTIFICATE-----\n" + base64(subject.certificate) + "\n-----END CERTIFICATE-----\n";
}

// The record must do what it is for: under usage 3 the certificate passes by it; else it is at least one that counts.
Result<void> prove(const Generated& made, const GenerateRequest& request) {
    if (made.record.usage >= 2) {
        if (const std::string why = dane::unusable_because(made.record); !why.empty())
            return fail(Errc::parse, "the record made is unusable: " + why);
    }
    if (made.record.usage != 3 || request.subject.certificate.empty()) return {};
    const auto outcome = verify_offline({{request.host.text()}, {made.record}, pem_of(request.subject), std::nullopt});
    if (!outcome) return fail(outcome.error());
    if (!outcome->passed) return fail(Errc::tls, "the record made does not match: " + outcome->text);
    return {};
}

std::vector<std::string> warnings_for(const GenerateRequest& request, unsigned selector) {
    std::vector<std::string> said;
    if (request.usage < 2)
        said.emplace_back("usages 0 and 1 are not for SMTP: senders treat such a record as unusable (RFC 7672 3.1.3)");
    if (request.matching == 0)
        said.emplace_back("matching type 0 puts the whole data into DNS: large answers, and some senders ignore them "
                          "(RFC 7671 10.1.2)");
    if (request.usage == 2) {
        said.emplace_back("the server must send this trust anchor in its chain, and its own certificate must have the "
                          "host's name and be in date (RFC 7672 3.1.2)");
        if (selector == 1)
            said.emplace_back("selector 0 is the better one for a trust anchor: selector 1 also accepts other "
                              "certificates with its key (RFC 7671 5.2.1)");
        if (!request.subject.certificate.empty() && !is_authority(request.subject))
            said.emplace_back(
                "this certificate is no CA: usage 2 never matches the server's own certificate; use 3 1 1");
    }
    if (request.usage == 3 && selector == 0)
        said.emplace_back(
            "the record changes with every renewal of the certificate, even with the same key; 3 1 1 does not");
    return said;
}

} // namespace

Result<std::vector<Subject>> subjects_from_certificates(std::string_view file) {
    std::vector<Subject> subjects;
    if (looks_like_pem(file)) {
        auto chain = certificates_from_pem(file);
        if (!chain) return fail(chain.error());
        for (const CertPtr& cert : *chain) subjects.push_back({spki_der(cert.get()), der(cert.get())});
    } else if (const CertPtr cert = certificate_from_der(file)) {
        subjects.push_back({spki_der(cert.get()), der(cert.get())});
    }
    if (subjects.empty()) return fail(Errc::parse, "no certificate in PEM or DER form");
    return subjects;
}

Result<Subject> subject_from_private_key(std::string_view file) {
    const BioPtr in = memory_bio(file);
    if (looks_like_pem(file)) {
        if (file.contains("ENCRYPTED"))
            return fail(Errc::parse, "the private key is encrypted; use --pubkey or --cert");
        return key_subject(KeyPtr(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr)), "private key");
    }
    return key_subject(KeyPtr(d2i_PrivateKey_bio(in.get(), nullptr)), "private key");
}

Result<Subject> subject_from_public_key(std::string_view file) {
    const BioPtr in = memory_bio(file);
    if (looks_like_pem(file))
        return key_subject(KeyPtr(PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr)), "public key");
    return key_subject(KeyPtr(d2i_PUBKEY_bio(in.get(), nullptr)), "public key");
}

std::string zone_line(const dns::Name& host, unsigned port, const dns::Tlsa& record) {
    return dns::tlsa_owner(host, port).text() + ". IN TLSA " + record.text();
}

Result<Generated> generate(const GenerateRequest& request) {
    const unsigned selector = request.selector.value_or(request.usage % 2 == 0 ? 0 : 1);
    if (request.usage > 3 || selector > 1 || request.matching > 2)
        return fail(Errc::parse, "no such TLSA parameters: usage 0-3, selector 0-1, matching 0-2");
    if (selector == 0 && request.subject.certificate.empty())
        return fail(Errc::parse, "selector 0 is about the certificate: give --cert, or use selector 1");
    auto data = association(request.subject.certificate, request.subject.key, selector, request.matching);
    if (!data || data->empty()) return fail(Errc::tls, "no digest could be made");
    Generated made;
    made.record = {static_cast<std::uint8_t>(request.usage), static_cast<std::uint8_t>(selector),
                   static_cast<std::uint8_t>(request.matching), std::move(*data)};
    made.line = zone_line(request.host, request.port, made.record);
    made.warnings = warnings_for(request, selector);
    if (auto proven = prove(made, request); !proven) return fail(proven.error());
    return made;
}

} // namespace danelaw::tls
