// Time as values: what the clock says is passed in, never asked for, by pure code.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace danelaw {

using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
using Time = std::chrono::sys_time<Millis>; // wall clock, UTC

// Where acts and edges get the time. The steady clock is for deadlines, the wall clock for schedules and records.
class Clock {
  public:
    virtual ~Clock() = default;
    virtual Time now() const = 0;
};

class SystemClock final : public Clock {
  public:
    Time now() const override { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }
};

// "2026-11-25T04:20:31.123Z" (RFC 3339, UTC, milliseconds).
std::string rfc3339(Time t);
std::optional<Time> parse_rfc3339(std::string_view text);
std::string day_text(std::chrono::year_month_day day); // "2026-11-25"
// "Wed, 25 Nov 2026 04:20:31 +0000" (RFC 5322 3.3).
std::string rfc5322_date(Time t);
// "1h30m", "500ms", "5d": the form that the configuration uses.
std::string duration_text(Millis d);
std::optional<Millis> parse_duration(std::string_view text);

} // namespace danelaw
