// The dns: settings as the resolver wants them. Pure.
#pragma once

#include "danelaw/config/settings.hpp"
#include "danelaw/resolver/resolver.hpp"

namespace danelaw::delivery {

resolver::Options resolver_options(const config::Settings& settings);

} // namespace danelaw::delivery
