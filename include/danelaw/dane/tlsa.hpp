// Which TLSA records count (spec DANE-060…074): usable or not, and why not; digest agility. Pure, but for DER parsing.
// RFC 6698 2.1, RFC 7671 9, RFC 7672 2.2, 3.1.
#pragma once

#include "danelaw/dns/answer.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace danelaw::dane {

// Digests from the most to the least preferred; a matching type that isn't in it is unusable (DANE-063, DANE-070).
struct DigestOrder {
    std::vector<std::uint8_t> preferred = {2, 1}; // D-33: SHA2-512 over SHA2-256
};

// Why a record can't be used; empty when it can. Usages 0 and 1 (DANE-061), unknown selectors and matching types,
// digests of wrong length, full data that is not exactly one DER certificate or key (DANE-062).
std::string unusable_because(const dns::Tlsa& record, const DigestOrder& digests = {});
bool usable(const dns::Tlsa& record, const DigestOrder& digests = {});

// The usable records that take part in matching: per usage and selector only the strongest digest present, plus all
// full(0) ones (DANE-067…069). Duplicates dropped. Order kept.
std::vector<dns::Tlsa> effective(const std::vector<dns::Tlsa>& rrset, const DigestOrder& digests = {});

} // namespace danelaw::dane
