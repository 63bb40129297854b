// One host's row of the decision table. Pure; for plan.cpp.
#pragma once

#include "facts_priv.hpp"

namespace danelaw::dane {

Seen seen_mx(const std::optional<dns::Answer<dns::Mx>>& mx);
HostPlan plan_host(const Facts& facts, const HostFacts& of, const TlsRules& rules);
HostPlan plan_literal(const NextHop& hop, const TlsRules& rules);

} // namespace danelaw::dane
