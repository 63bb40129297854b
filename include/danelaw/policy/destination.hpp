// Where a recipient domain's mail goes and under which TLS rules: the first entry of `policies` that matches, over
// tls:. Pure. Called by delivery's router and by `danelaw check`. DANE-030…033, DANE-127, D-10, D-25…28.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/words.hpp"
#include "danelaw/dane/plan.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::policy {

// An entry of `policies`: what it sets is set, the rest is inherited from tls:.
struct PolicyEntry {
    std::vector<std::string> match; // lower-case A-labels; a leading dot: any sub-domain; "*": everything
    std::optional<TlsPolicy> tls;
    std::optional<dane::InsecureMx> insecure_mx;
    std::optional<dane::OnFailure> on_failure;
    std::optional<std::string> min_protocol, ca_file;
    std::optional<bool> mta_sts;
    std::string next_hop; // as written; parsed form by policy::next_hop()
    bool hold = false;
    std::string note;
    std::optional<std::chrono::year_month_day> until; // the last day on which the entry holds (UTC)
};

// "[host]:port", "[192.0.2.1]:25", "[IPv6:2001:db8::1]", "[2001:db8::1]:25", "host:port", "host". The port defaults to
// `port`. errc::config names what is wrong.
Result<dane::NextHop> next_hop(std::string_view text, std::uint16_t port);

struct Destination {
    dane::NextHop hop;
    dane::TlsRules rules;
    bool hold = false;
    std::string note;                 // why, for the next operator
    std::optional<std::size_t> entry; // of `policies`, when one matched; its use is logged as policy (DANE-127)
    bool explicit_tls = false;        // that entry sets `tls:`
    std::optional<dane::Halt> halt;   // nowhere to go: the lane is no domain, or the next hop can't be read
};

// `lane`: a lower-case A-label domain, or an address literal in brackets ("[192.0.2.1]", "[2001:db8::1]").
// `today` is the UTC day: an entry holds up to and including its `until` (D-27).
Destination destination(std::string_view lane, const std::vector<PolicyEntry>& policies, const dane::TlsRules& tls,
                        std::uint16_t port, std::chrono::year_month_day today);
bool matches(const PolicyEntry& entry, std::string_view lane);

// What a message asks for besides (RFC 8689, D-25, D-26).
enum class Wish {
    none,
    tls_required_no, // `TLS-Required: No`, and no REQUIRETLS on the envelope, which wins (SC-124)
    tls_report,      // a TLS report: goes out whatever TLS does, operator's policies included (TR-045)
};
// `dane` and MTA-STS are lowered to `may`: nothing then stops delivery, STARTTLS is still tried. The operator's
// dane-only, verify and encrypt stand, except for reports (SC-123).
dane::TlsRules rules_for(dane::TlsRules rules, Wish wish);

} // namespace danelaw::policy
