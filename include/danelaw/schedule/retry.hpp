// When is a deferred recipient tried next, and when is it given up? Pure: time and chance come in (DQ-013…DQ-017).
#pragma once

#include "danelaw/base/random.hpp"
#include "danelaw/base/time.hpp"

#include <cstdint>
#include <vector>

namespace danelaw::schedule {

struct RetryRules {
    std::vector<Millis> retry; // after the 1st, 2nd … attempt; the last one repeats
    Millis lifetime{};
};

// The next attempt after `attempts` failed ones, jittered by ±15 % so that what failed together does not come back
// together (H131).
Time next_attempt(const RetryRules& rules, std::uint32_t attempts, Time now, Rng& rng);

// Nothing that `now` puts off waits longer.
Time latest_attempt(const RetryRules& rules, Time now);

// Has its lifetime passed? Asked only after a failed attempt: one last attempt is always made (DQ-017).
bool expired(const RetryRules& rules, Time received_at, Time now);

// Wall time that no jump of the clock can tear away from reality (DQ-012, H128): both forms follow the system clock
// while it agrees with the time that truly passed since the start.
class GuardedTime {
  public:
    GuardedTime(Time wall, Millis uptime) : wall_start_(wall), uptime_start_(uptime), ahead_since_(uptime) {}
    // To be told of the clock again and again. A clock that was set and has gone right for a day is believed. True: it
    // went back, so that what was put off meanwhile may wait for a time that is far away: bring it back.
    bool went_back(Time wall, Millis uptime);
    // For "is it due?": goes on when the clock is set back. Forward jumps make work due early, which harms nobody if
    // what is put off under them is brought back afterwards.
    Time for_schedule(Time wall, Millis uptime) const;
    // For "is it too old?": never more than an hour ahead of the time that truly passed, so that no jump expires a
    // queue.
    Time for_expiry(Time wall, Millis uptime) const;

  private:
    Time expected(Millis uptime) const { return wall_start_ + (uptime - uptime_start_); }
    Time wall_start_;
    Millis uptime_start_;
    Millis ahead_{};     // of the clock before what is expected, as last seen
    Millis ahead_since_; // uptime
};

} // namespace danelaw::schedule
