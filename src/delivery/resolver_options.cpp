// The dns: settings as the resolver wants them.
#include "danelaw/delivery/resolver_options.hpp"

namespace danelaw::delivery {

resolver::Options resolver_options(const config::Settings& settings) {
    resolver::Options options;
    options.trust_anchors_file = settings.dns.trust_anchors_file;
    options.trust_anchors = settings.dns.trust_anchors;
    options.forwarders = settings.dns.forwarders;
    for (const config::StubZone& stub : settings.dns.stub_zones)
        options.stub_zones.push_back({stub.zone, stub.servers});
    options.timeout = settings.dns.timeout;
    options.cache_size = settings.dns.cache_size;
    return options;
}

} // namespace danelaw::delivery
