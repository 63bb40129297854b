// The configuration as router and channels want it.
#include "danelaw/delivery/routing_settings.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

namespace danelaw::delivery {

RouterSettings router_settings(const config::Settings& settings, std::vector<IpAddress> local) {
    RouterSettings out;
    out.tls = settings.tls;
    out.policies = settings.policies;
    out.port = settings.delivery.port;
    out.use_ipv4 = settings.delivery.address_family != config::AddressFamily::ipv6;
    out.use_ipv6 = settings.delivery.address_family != config::AddressFamily::ipv4;
    if (const auto name = dns::Name::from(settings.hostname)) out.self.names.push_back(*name);
    for (const config::ListenerSettings& l : settings.listeners) {
        if (const auto endpoint = Endpoint::parse(l.address)) out.self.endpoints.push_back(*endpoint);
    }
    out.self.local = std::move(local);
    return out;
}

ChannelRules channel_rules(const config::Settings& settings) {
    ChannelRules out;
    out.hostname = settings.hostname;
    out.connect_timeout = settings.delivery.connect_timeout;
    out.handshake_timeout = settings.delivery.handshake_timeout;
    out.command_timeout = settings.delivery.command_timeout;
    out.data_timeout = settings.delivery.data_timeout;
    out.source_addresses = settings.delivery.source_addresses;
    return out;
}

std::vector<IpAddress> local_addresses() {
    std::vector<IpAddress> out;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return out;
    for (const ifaddrs* i = all; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr) continue;
        if (i->ifa_addr->sa_family == AF_INET) {
            const auto* in = reinterpret_cast<const sockaddr_in*>(i->ifa_addr);
            out.push_back(IpAddress::from_v4(reinterpret_cast<const std::uint8_t*>(&in->sin_addr)));
        } else if (i->ifa_addr->sa_family == AF_INET6) {
            const auto* in = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr);
            out.push_back(IpAddress::from_v6(in->sin6_addr.s6_addr));
        }
    }
    ::freeifaddrs(all);
    return out;
}

} // namespace danelaw::delivery
