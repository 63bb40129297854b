// What the agent and its deliveries share. Private to src/delivery.
#pragma once

#include "danelaw/delivery/agent.hpp"
#include "danelaw/delivery/hold_rules.hpp"

#include <ctime>
#include <optional>

namespace danelaw::delivery {

// Time since boot, suspension included: what the wall clock is guarded with (DQ-012).
inline Millis uptime() {
    timespec ts{};
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return Seconds{ts.tv_sec} + std::chrono::duration_cast<Millis>(std::chrono::nanoseconds{ts.tv_nsec});
}

struct Agent::State {
    explicit State(Parts p);

    Time now() const { return guarded.for_schedule(parts.clock.now(), uptime()); }
    // Time of the lanes: only passes, whatever is done to the clock. A rest begun under a wrong clock ends (DQ-012).
    static Time lane_now() { return Time{uptime()}; }
    Time age_now() const { return guarded.for_expiry(parts.clock.now(), uptime()); }
    schedule::RetryRules retry_rules(const message::Envelope& envelope) const;
    ChannelRules channel_rules() const;
    void count(const store::RecipientUpdate& update, bool unsecured_dane);
    Task<void> release_waiting(std::string domain, Reason over);

    Parts parts;
    schedule::GuardedTime guarded;
    SystemRng rng;
    schedule::Lanes<store::Job> lanes;
    Pool pool;
    AgentCounters counters;
    net::Wakeup wakeup;
    net::TaskGroup tasks;
    bool stopping = false;
    bool more_in_store = true; // something due may be unclaimed
    Time next_claim{};         // when to look into the store again
    std::vector<HoldRule> holds;
    bool holds_known = false; // nothing is delivered before the operator's word is
    Time holds_again{};       // when to read them again; another relay may have been told
    // What waits for a time further away than a retry and this is due at once: a wrong clock put it there, of this run
    // or of one before (DQ-012). At a start notices that are being spaced out (DQ-062) keep a day of it.
    std::optional<Millis> bring_back = std::chrono::hours(24);
    std::size_t sharing = 1; // relays alive on the queue: what is per destination is divided among them
};

} // namespace danelaw::delivery
