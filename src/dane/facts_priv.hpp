// What a host's answers amount to: the columns "MX", "Addr" and "TLSA" of the decision table. Pure.
// Shared by the steps (what to ask next) and the plan (what it obliges us to), so that they cannot disagree.
#pragma once

#include "danelaw/dane/plan.hpp"

namespace danelaw::dane {

bool judges_by_dane(const TlsRules& rules); // dane or dane-only

// An MX RRset exists and is insecure. No MX at all is not "insecure" (DANE-029).
bool behind_insecure_mx(const Facts& facts);

// Is TLSA looked up for this destination at all? (DANE-025, DANE-030, row 12, "other policies")
bool asks_tlsa(const Facts& facts, const TlsRules& rules);

enum class AddressClass {
    secure,    // at least one family's RRset with addresses is secure (D-06)
    alias,     // insecure through an alias whose first link is secure (DANE-045)
    unchecked, // insecure through an alias, the first link not yet asked
    insecure,
    alias_bogus, // the first link's own status failed (DANE-009)
    alias_error,
    bogus, // no family gave addresses, and at least one lookup failed
    error,
    absent, // proven to have none
};
AddressClass classify(const HostFacts& host);

// Addresses of the families that answered; only secure ones when asked so. Families mixed (SC-006).
enum class Families { all, secure_only };
std::vector<IpAddress> addresses_of(const HostFacts& host, Families families);
bool dialable(const IpAddress& address);

enum class TlsaClass { not_asked, undecided, bogus, error, absent, insecure, unusable, usable };
struct TlsaFinding {
    TlsaClass found = TlsaClass::not_asked;
    dns::Name base;                     // to be asked when undecided, else where the finding was made
    const TlsaLookup* lookup = nullptr; // null when not asked or undecided
};
TlsaFinding find_tlsa(const Facts& facts, const HostFacts& host, const TlsRules& rules);

// The MX RRset without what can't be a host, sorted by preference, or why nothing may be tried. `cut`: we are in the
// list.
struct Sifted {
    std::vector<MxHost> hosts;
    std::vector<std::string> notes;
    bool cut = false;
};
std::variant<Sifted, Halt> sift(const NextHop& hop, const dns::Answer<dns::Mx>* mx, const Ourselves& self);

Halt halt(Verdict verdict, Reason reason, std::string text, std::string_view detail = {});

} // namespace danelaw::dane
