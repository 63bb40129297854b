// The configuration as router and channels want it. Used by the daemon and by `danelaw check`, so that both route
// alike.
#pragma once

#include "danelaw/config/settings.hpp"
#include "danelaw/delivery/channel.hpp"
#include "danelaw/delivery/router.hpp"

#include <vector>

namespace danelaw::delivery {

// `local`: addresses of this machine, by which a listener on 0.0.0.0 is recognised in an MX (D-23).
RouterSettings router_settings(const config::Settings& settings, std::vector<IpAddress> local);
ChannelRules channel_rules(const config::Settings& settings);
std::vector<IpAddress> local_addresses(); // asks the kernel

} // namespace danelaw::delivery
