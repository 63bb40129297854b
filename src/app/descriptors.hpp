// How many connections fit into the files that this process may open? Without an answer, clients would be met with
// silence and deliveries fail for want of a socket once all are used up (SS-025).
#pragma once

#include "danelaw/config/settings.hpp"

#include <cstdint>

namespace danelaw::app {

struct Shares {
    std::uint32_t clients = 0, deliveries = 0;
    bool operator==(const Shares&) const = default;
};

// What a process with so many descriptors can give to those who were promised `wanted`; never more than that. Pure.
Shares fit(Shares wanted, std::uint64_t descriptors);
// How many descriptors it takes to give all that is wanted. Pure.
std::uint64_t descriptors_for(Shares wanted);

// Raises this process's limit as far as is needed and allowed, then lowers limits.connections and delivery.connections
// to what fits. Answers what was asked for and can't be given: "" when all can.
std::string fit_descriptors(config::Settings& settings);

} // namespace danelaw::app
