// Which TLSA record belongs to a certificate or key. RFC 6698 2.1, RFC 7671 5.1, RFC 7672 3.1. DANE-146.
#include "danelaw/base/text.hpp"
#include "danelaw/dane/tlsa.hpp"
#include "danelaw/tls/client.hpp"
#include "danelaw/tls/tools.hpp"
#include "openssl_priv.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>

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

std::string pem_of(std::string_view certificate) {
    return "-----BEGIN CERTIFICATE-----\n" + base64(certificate) + "\n-----END CERTIFICATE-----\n";
}

std::string pem_of(const std::vector<Subject>& chain) {
    std::string all;
    for (const Subject& s : chain) all += pem_of(s.certificate);
    return all;
}

// A certificate for a key of which we have the public half alone. Under usage 3 nobody looks at its signature.
std::string stand_in(const std::string& spki) {
    const unsigned char* at = octets(spki);
    const KeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    const KeyPtr signer(EVP_EC_gen("P-256"));
    const CertPtr cert(X509_new());
    const bool made = key && signer && cert && X509_set_version(cert.get(), X509_VERSION_3) == 1 &&
                      ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600) != nullptr &&
                      X509_set_pubkey(cert.get(), key.get()) == 1 &&
                      X509_sign(cert.get(), signer.get(), EVP_sha256()) > 0;
    ERR_clear_error();
    return made ? der(cert.get()) : "";
}

// What the zone file will say, read by nobody who knows what we meant.
std::optional<dns::Tlsa> read_back(const std::string& line) {
    const auto at = line.find(" IN TLSA ");
    if (at == std::string::npos) return std::nullopt;
    const auto fields = split(std::string_view(line).substr(at + 9), ' ');
    if (fields.size() != 4) return std::nullopt;
    dns::Tlsa record;
    std::uint8_t* const numbers[] = {&record.usage, &record.selector, &record.matching};
    for (std::size_t n = 0; n < 3; ++n) {
        const auto number = parse_number(fields[n]);
        if (!number || *number > 255) return std::nullopt;
        *numbers[n] = static_cast<std::uint8_t>(*number);
    }
    auto data = unhex(fields[3]);
    if (!data) return std::nullopt;
    record.data = std::move(*data);
    return record;
}

// The record must do what it is for: the server that it was made for passes by it. What it can't do without the
// server's own certificate (usage 2) is said.
Result<void> prove(Generated& made, const GenerateRequest& request) {
    const auto record = read_back(made.line);
    if (!record || *record != made.record) return fail(Errc::parse, "the line made does not read back: " + made.line);
    if (record->usage < 2) return {}; // nobody's verifier takes it: warned of
    if (const std::string why = dane::unusable_because(*record); !why.empty())
        return fail(Errc::parse, "the record made is unusable: " + why);
    OfflineRequest test{{request.host.text()}, {*record}, {}, std::nullopt};
    if (record->usage == 2) {
        if (request.chain.size() < 2) return {};
        test.chain_pem = pem_of(request.chain);
    } else {
        const std::string& own = request.subject.certificate;
        test.chain_pem = pem_of(own.empty() ? stand_in(request.subject.key) : own);
    }
    const auto outcome = verify_offline(test);
    if (!outcome) return fail(outcome.error());
    if (outcome->passed) return {};
    if (record->usage == 3) return fail(Errc::tls, "the record made does not match: " + outcome->text);
    made.warnings.push_back("the chain given would not pass by this record: " + outcome->text);
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

Subject subject_for(unsigned usage, const std::vector<Subject>& file) {
    if (usage != 2) return file.front();
    const auto authority = std::ranges::find_if(file, is_authority);
    return authority == file.end() ? file.front() : *authority;
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
