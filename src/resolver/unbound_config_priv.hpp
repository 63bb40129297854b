// The library's configuration as one text. Private to resolver.
#pragma once

#include "danelaw/resolver/resolver.hpp"

namespace danelaw::resolver {

// What the machine gives; asked once, by make_unbound().
struct Machine {
    bool ipv6 = true;                 // a route to the IPv6 internet
    std::uint64_t descriptors = 1024; // how many files may be open
};

// How long a name server may take for an answer that counts: until the library asks anew, which is soon, so that a dead
// one is left for the next; or nearly as long as the lookup may take.
enum class Patience { quick_answers, late_answers };

// Everything that stands between quotes in it was parsed and printed anew.
Result<std::string> unbound_config(const Options& options, const std::vector<dns::TrustAnchor>& anchors,
                                   Machine machine, Patience patience);

} // namespace danelaw::resolver
