// Retry times, expiry, and wall time that survives jumps of the clock. Pure.
#include "danelaw/schedule/retry.hpp"

#include "danelaw/base/result.hpp"

#include <algorithm>

namespace danelaw::schedule {

Time next_attempt(const RetryRules& rules, std::uint32_t attempts, Time now, Rng& rng) {
    DANELAW_CHECK(!rules.retry.empty());
    const auto at = std::min<std::size_t>(attempts == 0 ? 0 : attempts - 1, rules.retry.size() - 1);
    const auto base = std::max<std::int64_t>(rules.retry[at].count(), 1);
    const auto spread = static_cast<std::uint64_t>(base * 3 / 10); // 0 … 30 %, shifted to ±15 %
    const auto jitter = static_cast<std::int64_t>(rng.below(spread + 1)) - static_cast<std::int64_t>(spread / 2);
    return now + Millis{base + jitter};
}

Time latest_attempt(const RetryRules& rules, Time now) {
    Millis longest{};
    for (const auto& interval : rules.retry) longest = std::max(longest, interval);
    return now + longest * 5 / 4 + std::chrono::minutes(1); // jitter is within ±15 %
}

bool expired(const RetryRules& rules, Time received_at, Time now) {
    return now - received_at >= rules.lifetime;
}

bool GuardedTime::went_back(Time wall, Millis uptime) {
    constexpr Millis step = std::chrono::minutes(1), proven = std::chrono::hours(24);
    const Millis ahead = wall - expected(uptime);
    const Millis moved = ahead - ahead_;
    if (moved > step || moved < -step) {
        ahead_ = ahead;
        ahead_since_ = uptime;
        return moved < -step;
    }
    if (uptime - ahead_since_ < proven) return false;
    wall_start_ = wall;
    uptime_start_ = ahead_since_ = uptime;
    ahead_ = {};
    return ahead < -step; // until now the schedule had gone on by the time that passed
}

Time GuardedTime::for_schedule(Time wall, Millis uptime) const {
    return std::max(wall, expected(uptime));
}

Time GuardedTime::for_expiry(Time wall, Millis uptime) const {
    return std::min(wall, expected(uptime) + std::chrono::hours(1));
}

} // namespace danelaw::schedule
