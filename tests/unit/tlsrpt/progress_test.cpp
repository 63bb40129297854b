// When a report goes out, and what happens when it does not (TR-030, TR-040, TR-046).
#include "danelaw/tlsrpt/progress.hpp"

#include <gtest/gtest.h>

namespace danelaw::tlsrpt {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

const std::string day = "2026-11-25", domain = "d.test";
const Time midnight = *parse_rfc3339("2026-11-26T00:00:00.000Z");

TEST(Due, WithinFourHoursAndSpread) { // TR-030
    Time least = Time::max(), most = Time::min();
    for (int i = 0; i < 500; ++i) {
        const auto at = due(day, std::to_string(i) + ".test");
        least = std::min(least, at);
        most = std::max(most, at);
    }
    EXPECT_GE(least, midnight + minutes(5));
    EXPECT_LT(least, midnight + minutes(30));
    EXPECT_LE(most, midnight + hours(4));
    EXPECT_GT(most, midnight + hours(3));
    EXPECT_EQ(due(day, domain), due(day, domain)); // restart-safe (TR-020)
    EXPECT_NE(due(day, domain), due("2026-11-26", domain) - hours(24));
}

Progress in(Phase phase, std::optional<Time> first = std::nullopt, Time next = Time{}) {
    Progress out;
    out.phase = phase;
    out.first = first;
    out.next = next;
    return out;
}

TEST(Step, Table) {
    const auto at = due(day, domain);
    struct {
        const char* name;
        Progress progress;
        Time now;
        Step want;
    } const rows[] = {
        {"TR-030 the day is not over", {}, midnight - minutes(1), Step::wait},
        {"TR-030 before its time", {}, at - minutes(1), Step::wait},
        {"TR-030 at its time", {}, at, Step::send},
        {"a relay that was down for three days", {}, at + hours(72), Step::send},
        {"a relay that was down for ever", {}, at + hours(24 * 9), Step::give_up},
        {"TR-046 between tries", in(Phase::waiting, at, at + minutes(5)), at + minutes(4), Step::wait},
        {"TR-046 the next try", in(Phase::waiting, at, at + minutes(5)), at + minutes(5), Step::send},
        {"TR-046 a day is over", in(Phase::waiting, at, at + minutes(5)), at + hours(24), Step::give_up},
        {"TR-040 mail is followed", in(Phase::mailed, at), at + minutes(1), Step::follow},
        {"TR-046 mail is given up", in(Phase::mailed, at), at + hours(24), Step::give_up},
        {"a day sent by hand is followed before its time", in(Phase::mailed, midnight), midnight + minutes(1),
         Step::follow},
        {"sent", in(Phase::sent, at), at + hours(30), Step::wait},
        {"sent long ago", in(Phase::sent, at), midnight + hours(24 * 8), Step::forget},
        {"dropped", in(Phase::dropped, at), midnight + hours(24 * 8), Step::forget},
        {"unwanted", in(Phase::unwanted), midnight + hours(24), Step::wait},
    };
    for (const auto& row : rows) EXPECT_EQ(step(row.progress, day, domain, row.now), row.want) << row.name;
}

TEST(NextTry, Grows) { // TR-046: exponential
    const minutes want[] = {minutes(5),  minutes(5),   minutes(10),  minutes(20), minutes(40),
                            minutes(80), minutes(160), minutes(240), minutes(240)};
    for (std::uint32_t tries = 0; tries < 9; ++tries)
        EXPECT_EQ(next_try(tries, midnight), midnight + want[tries]) << tries;
}

TEST(Progress, Roundtrip) {
    auto progress = in(Phase::mailed, midnight, midnight + hours(1));
    progress.tries = 3;
    progress.to = "mailto:a@d.test";
    progress.message = "0123456789ABCDEF";
    progress.queued = true;
    progress.refused = {"https://d.test/", "mailto:b@d.test"};
    progress.text = "words \"quoted\"";
    EXPECT_EQ(progress_from(to_text(progress)), progress);
    EXPECT_EQ(progress_from("nonsense"), Progress{});
    EXPECT_EQ(progress_from(R"({"phase":1,"tries":-4,"refused":[1]})"), Progress{});
}

} // namespace
} // namespace danelaw::tlsrpt
