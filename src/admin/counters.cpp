// Counting events. See counters.hpp.
#include "danelaw/admin/counters.hpp"

#include <algorithm>

namespace danelaw::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t failures_kept = 200;

std::string text_of(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    return v != nullptr && v->is_string() ? std::string(std::string_view(v->get_string())) : std::string();
}

std::uint64_t number_of(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    if (v == nullptr) return 0;
    if (v->is_uint64()) return v->get_uint64();
    if (v->is_int64() && v->get_int64() > 0) return static_cast<std::uint64_t>(v->get_int64());
    if (v->is_array()) return v->get_array().size();
    return 0;
}

std::int64_t second_of(Time t) {
    return std::chrono::floor<Seconds>(t).time_since_epoch().count();
}

} // namespace

void Counters::tick(Time now) {
    const std::int64_t s = second_of(now);
    const std::int64_t steps = std::clamp<std::int64_t>(s - at_second_, 0, 60);
    for (std::int64_t i = 1; i <= steps; ++i) second_[static_cast<std::size_t>((s - steps + i) % 60)] = 0;
    at_second_ = std::max(at_second_, s);
}

void Counters::count_attempt(const json::object& fields) {
    ++totals_.attempts_by_result[text_of(fields, "result")];
    const std::uint64_t ms = number_of(fields, "ms");
    const auto bound = std::ranges::lower_bound(attempt_bounds_ms, ms);
    ++totals_.attempt_ms[static_cast<std::size_t>(bound - attempt_bounds_ms.begin())];
    totals_.attempt_ms_sum += ms;
    ++totals_.attempt_count;
}

void Counters::count_recipient(const json::object& fields, Time now) {
    const std::string result = text_of(fields, "result"), reason = text_of(fields, "reason");
    const std::string level = text_of(fields, "tls_level");
    const json::value* secured = fields.if_contains("secured");
    const bool unsecured = secured != nullptr && secured->is_bool() && !secured->get_bool();
    ++totals_.outcomes[Outcome{result, reason, level}];
    note(now, [&](Slot& slot) {
        const auto place =
            std::ranges::find(chart_levels, unsecured ? Level::encrypted : level_from(level).value_or(Level::none));
        if (result == "delivered") ++slot.delivered[static_cast<std::size_t>(place - chart_levels.begin())];
        if (result == "deferred") ++slot.deferred;
        if (result == "bounced" || result == "expired") ++slot.bounced;
    });
    if (result == "delivered") {
        ++totals_.delivered;
        ++totals_.delivered_by_level[level];
        if (unsecured) ++totals_.delivered_unsecured[level];
        tick(now);
        ++second_[static_cast<std::size_t>(at_second_ % 60)];
        return;
    }
    if (result == "deferred") {
        ++totals_.deferred;
        ++totals_.deferred_by_reason[reason];
    } else if (result == "bounced" || result == "expired") {
        ++(result == "bounced" ? totals_.bounced : totals_.expired);
        ++totals_.bounced_by_reason[reason];
    }
    Failure failure{now,    text_of(fields, "id"),   text_of(fields, "recipient"), result,
                    reason, text_of(fields, "host"), text_of(fields, "text")};
    totals_.failures.push_front(std::move(failure));
    if (totals_.failures.size() > failures_kept) totals_.failures.pop_back();
}

void Counters::count(std::string_view event, const json::object& fields, Time now) {
    const std::lock_guard guard(mutex_);
    if (event == "attempt") {
        count_attempt(fields);
    } else if (event == "recipient") {
        count_recipient(fields, now);
    } else if (event == "accepted") {
        ++totals_.accepted;
        note(now, [](Slot& slot) { ++slot.accepted; });
        totals_.accepted_octets += number_of(fields, "size");
        totals_.recipients_accepted += number_of(fields, "recipients");
    } else if (event == "rejected") {
        ++totals_.rejected;
    } else if (event == "removed") {
        ++totals_.removed;
    } else if (event == "tls-report") {
        if (const std::string result = text_of(fields, "result"); !result.empty()) ++totals_.tls_reports[result];
    }
}

Ring::Series Counters::series(Span span, Time now) const {
    const std::lock_guard guard(mutex_);
    return (span == Span::minutes ? minutes_ : day_).series(now);
}

Snapshot Counters::snapshot(Time now) const {
    const std::lock_guard guard(mutex_);
    Snapshot s = totals_;
    const std::int64_t behind = second_of(now) - at_second_; // seconds since the ring last moved count as empty
    for (std::int64_t i = 0; i < 60 - std::max<std::int64_t>(behind, 0); ++i) {
        s.delivered_last_minute += second_[static_cast<std::size_t>((at_second_ - i + 60) % 60)];
    }
    return s;
}

void CountingLog::event(log::Level level, std::string_view name, json::object fields) {
    if (level >= log::Level::info) counters_.count(name, fields, clock_.now());
    inner_->event(level, name, std::move(fields));
}

bool CountingLog::enabled(log::Level level) const {
    return level >= log::Level::info || inner_->enabled(level);
}

} // namespace danelaw::admin
