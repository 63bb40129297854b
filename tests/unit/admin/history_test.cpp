// What do the charts see? Rings of counts, fed by the events that the log has.
#include "danelaw/admin/counters.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace danelaw::admin {
namespace {

Time at(std::int64_t s) {
    return Time(Seconds(1'700'000'000 + s)); // begins a step of 5 seconds and of 100
}

std::vector<std::uint32_t> accepted(const Ring& ring, Time now) {
    std::vector<std::uint32_t> out;
    for (const Slot& s : ring.series(now).slots) out.push_back(s.accepted);
    return out;
}

using Counts = std::vector<std::uint32_t>;

TEST(Ring, CountsInStepsUpToNow) {
    Ring ring(Seconds(5), 4);
    EXPECT_EQ(accepted(ring, at(0)), (Counts{0, 0, 0, 0}));
    ++ring.at(at(0)).accepted;
    ++ring.at(at(4)).accepted;
    ++ring.at(at(11)).accepted;
    EXPECT_EQ(accepted(ring, at(11)), (Counts{0, 2, 0, 1}));
    EXPECT_EQ(ring.series(at(11)).first, at(-5));
    EXPECT_EQ(accepted(ring, at(20)), (Counts{0, 1, 0, 0})); // time goes on without events
}

TEST(Ring, WhatIsOldIsForgotten) {
    Ring ring(Seconds(5), 3);
    ++ring.at(at(0)).accepted;
    EXPECT_EQ(accepted(ring, at(15)), (Counts{0, 0, 0}));
    ++ring.at(at(1000)).accepted; // a long silence
    EXPECT_EQ(accepted(ring, at(1000)), (Counts{0, 0, 1}));
}

TEST(Ring, AClockSetBackCountsOn) {
    Ring ring(Seconds(5), 3);
    ++ring.at(at(100)).accepted;
    ++ring.at(at(40)).accepted;
    EXPECT_EQ(accepted(ring, at(40)), (Counts{0, 0, 2}));
}

boost::json::object recipient(const char* result, const char* reason, const char* level) {
    return {{"id", "1"}, {"recipient", "a@b.test"}, {"result", result}, {"reason", reason}, {"tls_level", level}};
}

TEST(Counters, EventsFillTheSeries) {
    Counters counters;
    counters.count("accepted", {{"recipients", {"a@b.test"}}, {"size", 100}}, at(0));
    counters.count("recipient", recipient("delivered", "", "dane-ee"), at(0));
    counters.count("recipient", recipient("delivered", "", "none"), at(0));
    counters.count("recipient", recipient("deferred", "tlsa-invalid", "none"), at(0));
    counters.count("recipient", recipient("expired", "timeout", "none"), at(0));
    for (const auto span : {Counters::Span::minutes, Counters::Span::day}) {
        const Slot now = counters.series(span, at(0)).slots.back();
        EXPECT_EQ(now.accepted, 1U);
        EXPECT_EQ(now.deferred, 1U);
        EXPECT_EQ(now.bounced, 1U);
        EXPECT_EQ(now.delivered, (std::array<std::uint32_t, 6>{1, 0, 1, 0, 0, 0}));
    }
    EXPECT_EQ(counters.series(Counters::Span::minutes, at(0)).slots.size(), 180U);
}

TEST(Counters, OutcomesAreCountedByAllThreeWords) {
    Counters counters;
    for (int i = 0; i < 3; ++i) counters.count("recipient", recipient("deferred", "tlsa-invalid", "none"), at(i));
    counters.count("recipient", recipient("delivered", "", "dane-ta"), at(4));
    const auto outcomes = counters.snapshot(at(4)).outcomes;
    EXPECT_EQ(outcomes.size(), 2U);
    EXPECT_EQ(outcomes.at({"deferred", "tlsa-invalid", "none"}), 3U);
    EXPECT_EQ(outcomes.at({"delivered", "", "dane-ta"}), 1U);
}

TEST(Counters, TheLastFailuresAreKeptNewestFirst) {
    Counters counters;
    for (int i = 0; i < 250; ++i) {
        auto event = recipient("deferred", "timeout", "none");
        event["id"] = std::to_string(i);
        counters.count("recipient", event, at(i));
    }
    const auto failures = counters.snapshot(at(250)).failures;
    ASSERT_EQ(failures.size(), 200U);
    EXPECT_EQ(failures.front().id, "249");
    EXPECT_EQ(failures.back().id, "50");
}

} // namespace
} // namespace danelaw::admin
