// Which TLSA records count. The same answer as OpenSSL's SSL_dane_tlsa_add() for usages 2 and 3, given before it is
// asked, because it would also take usages 0 and 1 (DANE-061).
#include "danelaw/dane/tlsa.hpp"

#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

namespace danelaw::dane {

namespace {

constexpr std::uint8_t full = 0, sha2_256 = 1, sha2_512 = 2; // RFC 7218 2.3
constexpr std::uint8_t certificate = 0, public_key = 1;      // RFC 7218 2.2

std::size_t digest_length(std::uint8_t matching) {
    return matching == sha2_256 ? 32 : matching == sha2_512 ? 64 : 0;
}

// Exactly one DER value that OpenSSL can read and take a key from; nothing behind it (DANE-062).
bool is_certificate(std::string_view der) {
    const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
    const auto* at = begin;
    const std::unique_ptr<X509, decltype(&X509_free)> cert(d2i_X509(nullptr, &at, static_cast<long>(der.size())),
                                                           X509_free);
    const bool good = cert && at == begin + der.size() && X509_get0_pubkey(cert.get()) != nullptr;
    ERR_clear_error();
    return good;
}

bool is_public_key(std::string_view der) {
    const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
    const auto* at = begin;
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), EVP_PKEY_free);
    const bool good = key && at == begin + der.size();
    ERR_clear_error();
    return good;
}

std::size_t rank(std::uint8_t matching, const DigestOrder& digests) {
    const auto at = std::find(digests.preferred.begin(), digests.preferred.end(), matching);
    return static_cast<std::size_t>(at - digests.preferred.begin());
}

bool is_weaker(const dns::Tlsa& a, const dns::Tlsa& than, const DigestOrder& digests) {
    return a.usage == than.usage && a.selector == than.selector && a.matching != full && than.matching != full &&
           rank(than.matching, digests) < rank(a.matching, digests);
}

} // namespace

std::string unusable_because(const dns::Tlsa& record, const DigestOrder& digests) {
    if (record.usage <= 1) return "PKIX usages are not for SMTP (RFC 7672 3.1.3)"; // DANE-061
    if (record.usage > 3) return "unknown certificate usage";                      // DANE-060, DANE-072
    if (record.selector > public_key) return "unknown selector";
    if (record.matching > sha2_512) return "unknown matching type";
    if (record.matching != full) {
        if (rank(record.matching, digests) == digests.preferred.size()) return "digest ruled out here"; // DANE-063
        if (record.data.size() != digest_length(record.matching)) return "digest of wrong length";
        return "";
    }
    if (record.data.empty()) return "no data";
    if (record.selector == certificate) return is_certificate(record.data) ? "" : "data is not one DER certificate";
    return is_public_key(record.data) ? "" : "data is not one DER public key";
}

bool usable(const dns::Tlsa& record, const DigestOrder& digests) {
    return unusable_because(record, digests).empty();
}

std::vector<dns::Tlsa> effective(const std::vector<dns::Tlsa>& rrset, const DigestOrder& digests) {
    std::vector<dns::Tlsa> counting; // agility looks only at what is usable (DANE-068)
    for (const auto& record : rrset)
        if (usable(record, digests) && std::ranges::find(counting, record) == counting.end())
            counting.push_back(record);

    std::vector<dns::Tlsa> strongest;
    for (const auto& record : counting) {
        const auto beaten = [&](const dns::Tlsa& other) { return is_weaker(record, other, digests); };
        if (std::ranges::none_of(counting, beaten)) strongest.push_back(record);
    }
    return strongest;
}

} // namespace danelaw::dane
