// How far has a report come, and what is to be done for it now? Kept in the queue's store, so that a restart goes on
// where it was. Pure. RFC 8460 4.1, 5.5; TR-030, TR-040, TR-046, TR-047.
#pragma once

#include "danelaw/base/time.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::tlsrpt {

enum class Phase {
    waiting,  // for its time, or for the next try
    mailed,   // a mail is in our queue
    sent,     // somebody has it
    dropped,  // nobody took it within a day (TR-046)
    unwanted, // the destination names no place for reports (any more)
};
std::string_view word(Phase p);

struct Progress {
    Phase phase = Phase::waiting;
    std::optional<Time> first; // the first try
    Time next{};               // of `waiting`: not before
    std::uint32_t tries = 0;
    std::string to;      // the place tried last, or that has it
    std::string message; // `mailed`: its queue id; chosen before it is queued, so that a crash can't make two
    bool queued = false; // … and it was
    std::vector<std::string> refused; // places that said no for good
    std::string text;                 // for people
    bool over() const { return phase == Phase::sent || phase == Phase::dropped || phase == Phase::unwanted; }
    bool operator==(const Progress&) const = default;
};
std::string to_text(const Progress& progress);
Progress progress_from(std::string_view text); // what can't be read is a beginning

// When a day's report goes out: up to four hours after the day, each domain's at a time of its own (TR-030), the same
// after a restart and on every relay.
Time due(std::string_view day, std::string_view domain);

enum class Step {
    wait,
    send,    // to the next place that may take it
    follow,  // see what became of the mail
    give_up, // a day of trying is over
    forget,  // old enough to be deleted
};
Step step(const Progress& progress, std::string_view day, std::string_view domain, Time now);
Time next_try(std::uint32_t tries, Time now);

inline constexpr Millis patience = std::chrono::hours(24); // TR-046: after the first try
// A mail that is still not out: the next place is tried as well (TR-040).
inline constexpr Millis mail_patience = std::chrono::hours(1);

} // namespace danelaw::tlsrpt
