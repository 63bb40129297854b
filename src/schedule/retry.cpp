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

bool expired(const RetryRules& rules, Time received_at, Time now) {
    return now - received_at >= rules.lifetime;
}

Time GuardedTime::for_schedule(Time wall, Millis uptime) const {
    return std::max(wall, expected(uptime));
}

Time GuardedTime::for_expiry(Time wall, Millis uptime) const {
    return std::min(wall, expected(uptime) + std::chrono::hours(1));
}

} // namespace danelaw::schedule
