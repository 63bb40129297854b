// The record of one host tried: the log's `attempt` event and the stored "why" are this one object (DANE-140).
#pragma once

#include "danelaw/delivery/channel.hpp"
#include "danelaw/delivery/transaction.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace danelaw::delivery {

struct Attempt {
    std::string id, domain;
    const dane::HostPlan* host = nullptr; // null when no host was found at all
    dane::Seen mx = dane::Seen::not_queried;
    std::optional<Endpoint> endpoint; // dialled or reused
    std::optional<tls::Outcome> tls;
    Level level = Level::none;
    std::optional<Reason> sts_testing; // what an MTA-STS policy in testing mode would have said; none: passed (D-35)
    bool reused = false;               // over a connection that another message opened
    Verdict verdict = Verdict::deferred;
    Reason reason = Reason::none;
    int code = 0;
    std::string enhanced, text;
    bool possible_duplicate = false;
    std::size_t delivered = 0, deferred = 0, bounced = 0; // recipients, when there was a transaction
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();

    // One recipient's answer: counted, and shown when it is the gravest so far.
    void take(const RecipientResult& one);
};

// Field names are the contract's; peers' bytes are escaped by the log and in the texts.
boost::json::object to_json(const Attempt& attempt);
// "4.7.5": the status of a reason when no server gave one (SC-096).
std::string status_of(Reason reason, Verdict verdict, std::string_view detail = {});

} // namespace danelaw::delivery
