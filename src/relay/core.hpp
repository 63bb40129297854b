// What all sessions of a server share: the current configuration, counts, room, and what they report. Private to relay.
#pragma once

#include "danelaw/net/worker.hpp"
#include "danelaw/relay/server.hpp"
#include "danelaw/smtp/server_reply.hpp"
#include "doorman.hpp"
#include "throttle.hpp"

#include <atomic>
#include <map>

namespace danelaw::relay {

enum class Phase {
    running,
    stopping,   // 421 at the next reply point
    abandoning, // the time for that is over
};

// Names and help texts: Server::counters().
struct Counters {
    std::uint64_t connections = 0, connections_refused = 0, messages = 0, recipients = 0, octets = 0, rejected = 0;
    std::uint64_t tls_sessions = 0, tls_failed = 0, auth_succeeded = 0, auth_failed = 0;
};

struct Core {
    explicit Core(Parts with) : hooks(std::move(with)) {}

    Parts hooks;
    std::shared_ptr<const Access> access; // set by listen()
    Phase phase = Phase::running;
    Counters counters;
    Doorman doorman;
    Throttle throttle;
    net::WorkerPool crypt{1}; // one at a time: password guessing gets one core at most
    std::uint64_t sessions_made = 0;
    std::string run = random_session_prefix();

    Bytes reserved = 0; // declared sizes of open transactions
    Bytes room = 0;     // free on the queue's disk, as last seen
    std::chrono::steady_clock::time_point look_again{};
    // Messages that the queue has not confirmed yet, by the time they were handed over.
    std::multimap<std::chrono::steady_clock::time_point, int> storing;

    std::string new_session_name() { return run + std::to_string(++sessions_made); }
    // Why MAIL with this declared size can't be taken now; nullopt: there is room (SS-024, SS-029).
    std::optional<smtp::ServerReply> no_room(const config::Settings& settings, Bytes size);
    Bytes free_disk(const std::string& path);
    static std::string random_session_prefix();
};

} // namespace danelaw::relay
