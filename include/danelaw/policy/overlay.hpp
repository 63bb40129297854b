// What an MTA-STS policy and REQUIRETLS add to a plan, host by host. Nothing here lowers what DANE or the operator
// demands (D-11). Pure. Called by delivery's router. RFC 8461 2, 5; RFC 8689 4.2.1; MS-040…047, MS-060…066, SC-120…126.
#pragma once

#include "danelaw/dane/plan.hpp"
#include "danelaw/sts/policy.hpp"

namespace danelaw::policy {

// Can an MTA-STS policy matter under these rules, for this next hop? (MS-001, MS-065) If not, none is looked for.
bool wants_sts(const dane::NextHop& hop, const dane::TlsRules& rules);

// Under `enforce`: hosts that DANE authenticates through a secure MX stay as they are (MS-061); all others must match
// the policy's mx patterns (MS-062) and, without usable TLSA, be authenticated by web PKI; else they are skipped. Under
// `testing` hosts are only marked (MS-044).
dane::Plan with_sts(dane::Plan plan, const sts::Policy& policy, const dane::TlsRules& rules);

// Why it is not known at this moment whether an MTA-STS policy applies.
struct StsDoubt {
    Reason reason = Reason::dns_error;
    std::string text;
};

// For a message tagged REQUIRETLS: hosts that are not known securely, or whose channel would not be authenticated, are
// skipped for good (SC-120, SC-121). Not for good where an MTA-STS policy might authenticate them and can't be read at
// this moment: that `doubt` defers (SC-122).
dane::Plan with_requiretls(dane::Plan plan, const dane::TlsRules& rules, const std::optional<StsDoubt>& doubt = {});
// And what a host's failure is for it: a server that can't be authenticated is a definite no (SC-122). A missing
// STARTTLS and a broken handshake are none: anybody on the path can make them (DANE-A10).
dane::HostFailure with_requiretls(dane::HostFailure failure);

} // namespace danelaw::policy
