// The library's configuration as one text. Private to resolver.
#pragma once

#include "danelaw/resolver/resolver.hpp"

namespace danelaw::resolver {

// What the machine gives; asked once, by make_unbound().
struct Machine {
    bool ipv6 = true;                 // a route to the IPv6 internet
    std::uint64_t descriptors = 1024; // how many files may be open
};

// Everything that stands between quotes in it was parsed and printed anew.
Result<std::string> unbound_config(const Options& options, const std::vector<dns::TrustAnchor>& anchors,
                                   Machine machine);

} // namespace danelaw::resolver
