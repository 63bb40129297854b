// DNSSEC trust anchors as text: is it one, for which zone, and can it be used at all? An anchor that no validator can
// use makes everything below it quietly insecure, so that each one is looked at before it is trusted to work (DANE-010,
// H36). RFC 4034 2, 5; RFC 5011 (autotrust files). Pure.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/dns/name.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::dns {

struct TrustAnchor {
    Name zone;
    std::string text;     // "test. IN DS 12345 13 2 ABCD…", or with DNSKEY: one line, normalised
    std::string unusable; // why no signature can be verified with it; "" when it can
};

// One record: owner, TTL and class (both optional), DS or DNSKEY, its fields.
Result<TrustAnchor> parse_trust_anchor(std::string_view line);

// A file of such records: `;` comments, parentheses over lines, and the state marks of autotrust files, of which only
// keys that are valid or missing count. Errors name the line, as "line 3: …".
Result<std::vector<TrustAnchor>> parse_trust_anchor_file(std::string_view text);

} // namespace danelaw::dns
