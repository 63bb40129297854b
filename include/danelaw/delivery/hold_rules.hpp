// Which arriving mail is held by an operator's word: rules in the store, so that they outlive restarts and count for
// all relays of a queue. Written by the admin API, minded by the agent.
#pragma once

#include "danelaw/store/queue.hpp"

#include <string>
#include <vector>

namespace danelaw::delivery {

// At least one is named; both must fit. Lower case.
struct HoldRule {
    std::string domain, sender;
    Time since{};
};

// Pure. Mail that was held and released, or tried before, is not new.
bool holds_back(const std::vector<HoldRule>& rules, const store::Message& message, const std::string& domain);

store::Task<Result<std::vector<HoldRule>>> hold_rules(store::Queue& queue);
store::Task<Result<void>> add_hold(store::Queue& queue, HoldRule rule);
store::Task<Result<void>> remove_hold(store::Queue& queue, HoldRule rule); // not there: done as well

} // namespace danelaw::delivery
