// When a policy is fresh, and when to fetch.
#include "danelaw/sts/cache.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::sts {

namespace {

constexpr Millis refresh_after = std::chrono::hours(24);        // MS-017
constexpr Millis quiet_after_failure = std::chrono::minutes(5); // MS-015

bool just_failed(const std::optional<FailedFetch>& failed, std::string_view id, Time now) {
    return failed && failed->id == id && now >= failed->at && now - failed->at < quiet_after_failure;
}

// Daily, or half-way through a short life.
bool refresh_due(const Cached& cached, Time now) {
    const Millis half_life = Millis(cached.policy.max_age) / 2;
    return now - cached.fetched >= std::min(refresh_after, half_life);
}

} // namespace

bool fresh(const Cached& cached, Time now) {
    return now < cached.fetched + cached.policy.max_age;
}

Fetch fetch_now(const std::optional<Cached>& cached, const Announcement& announced,
                const std::optional<FailedFetch>& failed, Time now) {
    const bool have = cached && fresh(*cached, now);
    if (!announced.id && !have) return Fetch::no;
    const std::string& id = announced.id ? *announced.id : cached->id;
    if (just_failed(failed, id, now)) return Fetch::no;
    if (!have || cached->id != id) return Fetch::first;
    return refresh_due(*cached, now) ? Fetch::behind : Fetch::no;
}

std::string to_text(const Cached& cached) {
    return cached.id + "\n" + std::to_string(cached.fetched.time_since_epoch().count()) + "\n" + cached.policy.text;
}

std::optional<Cached> cached_from(std::string_view text) {
    const auto first = text.find('\n');
    if (first == std::string_view::npos) return std::nullopt;
    const auto second = text.find('\n', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const auto fetched = parse_number(text.substr(first + 1, second - first - 1));
    auto policy = parse_policy(text.substr(second + 1));
    if (!fetched || !policy) return std::nullopt;
    return Cached{std::string(text.substr(0, first)), Time(Millis(static_cast<std::int64_t>(*fetched))),
                  std::move(*policy)};
}

} // namespace danelaw::sts
