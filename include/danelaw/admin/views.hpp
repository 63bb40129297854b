// The JSON forms that the contract names, from the queue's values. Pure. Used by the API, and by the CLI through it.
#pragma once

#include "danelaw/admin/counters.hpp"
#include "danelaw/resolver/resolver.hpp"
#include "danelaw/store/queue.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace danelaw::admin {

// "active", "deferred" or "held", as store::Filter::state means them.
std::string_view state_of(const store::Message& message);
// `queue list --json`: one message.
boost::json::object message_view(const store::Message& message);
// `queue show`: the same, and what is known about it besides.
boost::json::object detail_view(const store::Message& message);
// `queue trace`: the same, with every attempt, oldest first.
boost::json::object trace_view(const store::Trace& trace);

struct StatusFacts {
    Time now{}, started{};
    store::Counts queue;
    std::vector<store::DomainCount> destinations;
    std::vector<store::RelayShare> relays; // of a shared queue; empty where it is not
    Snapshot counters;
    resolver::Resolver::Counters dns;
    std::vector<std::string> problems, warnings;
};
// `status --json`; health is ok when there are no problems.
boost::json::object status_view(const StatusFacts& facts);
// The text exposition format of Prometheus.
std::string metrics_text(const StatusFacts& facts, const store::Queue::Stats& store);

} // namespace danelaw::admin
