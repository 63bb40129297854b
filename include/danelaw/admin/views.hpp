// The JSON forms that the contract names, from the queue's values. Pure. Used by the API, and by the CLI through it.
#pragma once

#include "danelaw/admin/counters.hpp"
#include "danelaw/config/settings.hpp"
#include "danelaw/delivery/pool.hpp"
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
// With at most so many of its recipients, those still waiting first, and how many there are: for lists of messages that
// have thousands each.
boost::json::object brief_view(const store::Message& message, std::size_t most);
// `queue show`: the same, and what is known about it besides.
boost::json::object detail_view(const store::Message& message);
// `queue trace`: the same, with every attempt, oldest first.
boost::json::object trace_view(const store::Trace& trace);

struct StatusFacts {
    Time now{}, started{};
    store::Counts queue;
    std::vector<store::DomainCount> destinations;
    std::vector<store::ReasonCount> reasons;
    std::vector<store::RelayShare> relays; // of a shared queue; empty where it is not
    Snapshot counters;
    resolver::Resolver::Counters dns;
    delivery::Pool::Stats connections;
    std::vector<config::PolicyEntry> policies;
    std::vector<std::string> problems, warnings;
};
// `status --json`; health is ok when there are no problems.
boost::json::object status_view(const StatusFacts& facts);
boost::json::object destination_view(const store::DomainCount& destination);
// With what its reason means, and who has to mend what.
boost::json::object failure_view(const Failure& failure);
// Columns for a chart: a number a step in each.
boost::json::object history_view(const Ring::Series& series);
// The TLS rules for everybody, and the entries of `policies` in order: the first match wins.
boost::json::object policies_view(const config::Settings& settings, Time now);

// The text exposition format of Prometheus.
std::string metrics_text(const StatusFacts& facts, const store::Queue::Stats& store);

} // namespace danelaw::admin
