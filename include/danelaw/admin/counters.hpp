// What has happened since the start, counted from the events themselves: whatever is logged is counted, once, in one
// place, and log, `status` and /metrics can't disagree. Safe from any thread.
#pragma once

#include "danelaw/admin/history.hpp"
#include "danelaw/log/log.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace danelaw::admin {

using Tally = std::map<std::string, std::uint64_t>;

struct Failure { // for people: what went wrong last
    Time at{};
    std::string id, recipient, result, reason, host, text;
};

// What became of a recipient, in the contract's words: few of each, so that they may be labels.
struct Outcome {
    std::string result, reason, tls_level;
    auto operator<=>(const Outcome&) const = default;
};

struct Snapshot {
    std::uint64_t accepted = 0, rejected = 0, delivered = 0, deferred = 0, bounced = 0, expired = 0, removed = 0;
    std::uint64_t accepted_octets = 0, recipients_accepted = 0, delivered_last_minute = 0;
    Tally delivered_by_level; // contract's TLS levels
    Tally deferred_by_reason, bounced_by_reason;
    Tally attempts_by_result;
    std::map<Outcome, std::uint64_t> outcomes;
    Tally tls_reports;         // by what became of them
    Tally delivered_unsecured; // of these, DANE behind an insecure MX RRset: never shown as verified (D-29)
    std::array<std::uint64_t, 12> attempt_ms{}; // histogram, bounds below
    std::uint64_t attempt_ms_sum = 0, attempt_count = 0;
    std::deque<Failure> failures; // newest first
};
inline constexpr std::array<std::uint64_t, 11> attempt_bounds_ms = {5,   10,   25,   50,     100,    250,
                                                                    500, 1000, 5000, 30'000, 120'000};

class Counters {
  public:
    void count(std::string_view event, const boost::json::object& fields, Time now);
    Snapshot snapshot(Time now) const;
    enum class Span { minutes, day }; // a quarter of an hour by 5 s, a day by 5 min
    Ring::Series series(Span span, Time now) const;

  private:
    void count_attempt(const boost::json::object& fields);
    void count_recipient(const boost::json::object& fields, Time now);
    void tick(Time now); // moves the ring of seconds
    template <class F> void note(Time now, F change) {
        for (Ring* ring : {&minutes_, &day_}) change(ring->at(now));
    }
    mutable std::mutex mutex_;
    Snapshot totals_;
    std::array<std::uint32_t, 60> second_{}; // delivered in each of the last 60 seconds
    std::int64_t at_second_ = 0;
    Ring minutes_{std::chrono::seconds(5), 180}, day_{std::chrono::minutes(5), 288};
};

// Counts every event of level info and above, then passes it on; the wrapped log's level decides what is written.
class CountingLog final : public log::Log {
  public:
    CountingLog(std::unique_ptr<log::Log> inner, Counters& counters, const Clock& clock)
        : inner_(std::move(inner)), counters_(counters), clock_(clock) {}
    void event(log::Level level, std::string_view name, boost::json::object fields) override;
    bool enabled(log::Level level) const override;
    void reopen(log::Options options) override { inner_->reopen(std::move(options)); }

  private:
    std::unique_ptr<log::Log> inner_;
    Counters& counters_;
    const Clock& clock_;
};

} // namespace danelaw::admin
