// Why a chain failed, in RFC 8460's words and in words for people, and what would have matched (H68, H69). Decisions
// D-01, D-02, D-03.
#include "danelaw/base/text.hpp"
#include "verify_priv.hpp"

#include <algorithm>

namespace danelaw::tls {

namespace {

// A record as people recognise it: the parameters and the start of the data.
std::string brief(const dns::Tlsa& r) {
    const std::string data = hex(r.data);
    return std::to_string(r.usage) + " " + std::to_string(r.selector) + " " + std::to_string(r.matching) + " " +
           data.substr(0, 16) + (data.size() > 16 ? "..." : "");
}

std::string brief(const std::vector<dns::Tlsa>& records) {
    std::string text;
    for (std::size_t i = 0; i < records.size() && i < 4; ++i) text += (i > 0 ? ", " : "") + brief(records[i]);
    return records.size() > 4 ? text + " and " + std::to_string(records.size() - 4) + " more" : text;
}

std::string subject(X509* cert) {
    return printable(name_text(X509_get_subject_name(cert)), 200);
}

// A trust anchor was sent, but the leaf's path does not lead to it: broken chain, not a missing anchor (D-03).
bool anchor_was_sent(const std::vector<X509*>& chain, const std::vector<dns::Tlsa>& records) {
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (X509_cmp(chain[i], chain[0]) == 0) continue;
        const std::string whole = der(chain[i]), key = spki_der(chain[i]);
        const bool matches = std::ranges::any_of(records, [&](const dns::Tlsa& r) {
            return r.usage == 2 && association(whole, key, r.selector, r.matching) == r.data;
        });
        if (matches) return true;
    }
    return false;
}

std::string where(const Examination& exam, const std::vector<X509*>& chain) {
    if (exam.error_depth == 0) return "the server's certificate";
    const auto depth = static_cast<std::size_t>(exam.error_depth);
    std::string text = "the certificate at depth " + std::to_string(depth);
    // The built path may differ from the order sent, so the name is only given when there is no doubt.
    return depth < chain.size() && chain.size() <= 2 ? text + " (" + subject(chain[depth]) + ")" : text;
}

// Web PKI wants a DNS name in subjectAltName (MS-041), where DANE-TA would take the subject's (DANE-104).
std::string subject_alone(const Examination& exam, X509* leaf) {
    if (exam.check == Check::dane || !facts(leaf).names.empty()) return "";
    return "; it has no DNS name in subjectAltName, and its common name does not count";
}

std::string quoted(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& n : names) text += (text.empty() ? "" : " or ") + n;
    return text;
}

std::string names_in(X509* leaf) {
    const CertificateFacts f = facts(leaf);
    if (f.names.empty()) return f.subject.empty() ? "no name" : f.subject;
    std::vector<std::string> some(f.names.begin(),
                                  f.names.begin() + static_cast<long>(std::min<std::size_t>(f.names.size(), 5)));
    return join(some, ", ") + (f.names.size() > 5 ? ", ..." : "");
}

Finding no_match(const std::vector<X509*>& chain, const std::vector<dns::Tlsa>& records) {
    if (anchor_was_sent(chain, records))
        return {Reason::certificate_not_trusted,
                "the trust anchor of a TLSA record was sent, but the server's certificate does not chain to it",
                {}};
    std::string text = "no TLSA record matches (records: " + brief(records) + "; sent: ";
    for (std::size_t i = 0; i < chain.size() && i < 4; ++i)
        text += (i > 0 ? ", " : "") + subject(chain[i]) + " key " +
                hex(digest(spki_der(chain[i]), EVP_sha256())).substr(0, 16) + "...";
    text += ")";
    if (const std::string more = hints(chain, records); !more.empty()) text += "; " + more;
    return {Reason::tlsa_invalid, std::move(text), {}};
}

} // namespace

Finding classify(const Examination& exam, const std::vector<X509*>& chain, const std::vector<dns::Tlsa>& records,
                 const std::vector<std::string>& names) {
    const std::string code = error_name(exam.error);
    if (!exam.ran || chain.empty())
        return {Reason::validation_failure, "the server's certificate was not verified", "not-verified"};
    Finding f;
    switch (exam.error) {
    case X509_V_OK: return {Reason::validation_failure, "verified, but without a matching record", "no-authority"};
    case X509_V_ERR_DANE_NO_MATCH: f = no_match(chain, records); break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        f = {Reason::certificate_host_mismatch,
             "the certificate is for " + names_in(chain[0]) + ", not for " + quoted(names) +
                 subject_alone(exam, chain[0]),
             {}};
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED: f = {Reason::certificate_expired, where(exam, chain) + " has expired", {}}; break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        f = {Reason::certificate_expired, where(exam, chain) + " is not yet valid", {}};
        break;
    case X509_V_ERR_UNSPECIFIED:
    case X509_V_ERR_OUT_OF_MEM:
    case X509_V_ERR_INVALID_CALL:
    case X509_V_ERR_STORE_LOOKUP:
        f = {Reason::validation_failure, std::string("internal: ") + X509_verify_cert_error_string(exam.error), {}};
        break;
    default:
        f = {
            Reason::certificate_not_trusted, where(exam, chain) + ": " + X509_verify_cert_error_string(exam.error), {}};
    }
    f.code = code;
    return f;
}

namespace {

struct Fit {
    std::size_t depth;
    unsigned selector, matching;
};

// Which part of which certificate the record's data stand for, whatever its parameters claim.
std::optional<Fit> data_fits(const dns::Tlsa& r, const std::vector<X509*>& chain) {
    for (std::size_t depth = 0; depth < chain.size(); ++depth) {
        const std::string whole = der(chain[depth]), key = spki_der(chain[depth]);
        for (unsigned selector = 0; selector < 2; ++selector)
            for (unsigned matching = 0; matching < 3; ++matching)
                if (association(whole, key, selector, matching) == r.data) return Fit{depth, selector, matching};
    }
    return std::nullopt;
}

} // namespace

std::string hints(const std::vector<X509*>& chain, const std::vector<dns::Tlsa>& records) {
    std::vector<std::string> said;
    bool unsent = false;
    for (const dns::Tlsa& r : records) {
        const auto fit = data_fits(r, chain);
        if (!fit && r.usage == 2 && r.matching != 0) unsent = true;
        if (!fit) continue;
        const unsigned usage = fit->depth == 0 ? 3 : 2;
        if (usage == r.usage && fit->selector == r.selector && fit->matching == r.matching) continue;
        const std::string what = std::string(fit->matching == 0 ? "" : "a digest of ") +
                                 (fit->depth == 0 ? "the server's own " : "an issuer's ") +
                                 (fit->selector == 0 ? "certificate" : "key");
        std::string line = "record " + brief(r) + " holds " + what;
        if (r.usage == 2 && fit->depth == 0) line += ", and usage 2 never matches the server's own certificate";
        line += ": " + std::to_string(usage) + " " + std::to_string(fit->selector) + " " +
                std::to_string(fit->matching) + " with these data would match";
        said.push_back(std::move(line));
    }
    if (unsent)
        said.emplace_back(
            "a trust anchor that is known by its digest must be in the chain that the server sends"); // RFC 7671 5.2.2
    return join(said, "; ");
}

} // namespace danelaw::tls
