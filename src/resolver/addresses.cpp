// All addresses of a host whose certificate, not its DNS, will tell who it is.
#include "danelaw/resolver/resolver.hpp"

namespace danelaw::resolver {

Task<HostAddresses> addresses_of(Resolver& resolver, dns::Name host) {
    HostAddresses out;
    auto v4 = co_await resolver.a(host);
    auto v6 = co_await resolver.aaaa(host);
    out.addresses = std::move(v4.records);
    out.addresses.insert(out.addresses.end(), v6.records.begin(), v6.records.end());
    if (!out.addresses.empty()) co_return out;
    out.why = host.text() + " has no address";
    const auto& why = v4.why.empty() ? v6.why : v4.why;
    if (!why.empty()) out.why += ": " + why;
    co_return out;
}

} // namespace danelaw::resolver
