// When things are tried, and which may start: tables over virtual time.
#include "danelaw/schedule/lanes.hpp"
#include "danelaw/schedule/retry.hpp"

#include <gtest/gtest.h>
#include <map>

namespace danelaw::schedule {
namespace {

using namespace std::chrono_literals;
const Time t0{Millis{1'800'000'000'000}};

RetryRules rules() {
    return {{1min, 5min, 15min, 30min, 1h, 2h, 4h}, 120h};
}

TEST(Retry, FollowsTheListAndTheLastRepeats) { // DQ-013, SC-090, SC-091
    SeededRng rng(7);
    const Millis want[] = {1min, 5min, 15min, 30min, 1h, 2h, 4h, 4h, 4h};
    for (std::uint32_t n = 1; n <= 9; ++n) {
        const auto delay = next_attempt(rules(), n, t0, rng) - t0;
        EXPECT_GE(delay, want[n - 1] * 85 / 100) << n;
        EXPECT_LE(delay, want[n - 1] * 115 / 100 + 1ms) << n;
    }
}

TEST(Retry, JitterSpreadsWhatFailedTogether) { // H131
    SeededRng rng(7);
    std::map<long long, int> seconds;
    const int total = 20000;
    for (int n = 0; n < total; ++n)
        ++seconds[std::chrono::floor<Seconds>(next_attempt(rules(), 3, t0, rng)).time_since_epoch().count()];
    for (const auto& [second, count] : seconds) EXPECT_LE(count, total * 3 / 100) << second;
}

TEST(Retry, FiveDaysOfAttemptsThinOut) { // SC-091, DQ-014
    SeededRng rng(7);
    Time now = t0;
    std::uint32_t attempts = 0;
    while (true) {
        ++attempts;
        if (expired(rules(), t0, now)) break;
        now = next_attempt(rules(), attempts, now, rng);
    }
    EXPECT_GE(now - t0, 120h);
    EXPECT_LE(now - t0, 125h);
    EXPECT_GT(attempts, 25u);
    EXPECT_LT(attempts, 45u);
}

TEST(Guarded, ClockJumpsNeitherStopNorExpireTheQueue) { // DQ-012, H128
    const GuardedTime g(t0, 1000ms);
    EXPECT_EQ(g.for_schedule(t0 + 60s, 61'000ms), t0 + 60s);
    EXPECT_EQ(g.for_schedule(t0 + 60s - 1h, 61'000ms), t0 + 60s); // set back: work still falls due
    EXPECT_EQ(g.for_expiry(t0 + 60s - 1h, 61'000ms), t0 + 60s - 1h);
    EXPECT_LE(g.for_expiry(t0 + 240h, 61'000ms), t0 + 60s + 1h); // ten days forward: nothing is ten days older
    EXPECT_EQ(g.for_expiry(t0 + 240h, 1000ms + Millis{240h}), t0 + 240h);
}

TEST(Guarded, TellsWhenTheClockWentBack) { // DQ-012, H128
    GuardedTime g(t0, 1000ms);
    EXPECT_FALSE(g.went_back(t0 + 60s, 61'000ms));
    EXPECT_FALSE(g.went_back(t0 + 240h + 70s, 71'000ms)); // a jump forward: nothing to bring back yet
    EXPECT_FALSE(g.went_back(t0 + 240h + 80s, 81'000ms));
    EXPECT_TRUE(g.went_back(t0 + 101s, 101'000ms)); // and back: what was put off meanwhile is far away
    EXPECT_FALSE(g.went_back(t0 + 110s, 111'000ms));
    EXPECT_FALSE(g.went_back(t0 + 121s - 59s, 121'000ms)); // slewing is none
}

TEST(Guarded, BelievesAClockThatGoesRightForADay) { // DQ-012: set forward after a start in the past, mail expires again
    GuardedTime g(t0, 0ms);
    const auto right = [](Millis uptime) { return t0 + 240h + uptime; };
    for (Millis up = 1h; up < 25h; up += 1h) {
        EXPECT_FALSE(g.went_back(right(up), up));
        EXPECT_EQ(g.for_expiry(right(up), up), t0 + up + 1h);
    }
    EXPECT_FALSE(g.went_back(right(25h), 25h));
    EXPECT_EQ(g.for_expiry(right(25h), 25h), right(25h));
}

TEST(Guarded, BelievesAClockSetBackForADay) { // DQ-012: and then the schedule goes back with it
    GuardedTime g(t0 + 240h, 0ms);
    EXPECT_TRUE(g.went_back(t0 + 1h, 1h));
    EXPECT_FALSE(g.went_back(t0 + 2h, 2h));
    EXPECT_EQ(g.for_schedule(t0 + 2h, 2h), t0 + 242h);
    EXPECT_TRUE(g.went_back(t0 + 25h, 25h));
    EXPECT_EQ(g.for_schedule(t0 + 25h, 25h), t0 + 25h);
}

TEST(Retry, NothingIsPutOffFurtherThanTheLatest) { // DQ-012
    SystemRng rng;
    for (std::uint32_t attempts = 0; attempts < 20; ++attempts)
        EXPECT_LT(next_attempt(rules(), attempts, t0, rng), latest_attempt(rules(), t0));
}

LaneRules lane_rules() {
    LaneRules r;
    r.total = 10;
    r.per_lane = 4;
    r.first_width = 2;
    r.window = 3;
    r.retry = {60s, 300s};
    return r;
}

TEST(Lanes, HugeDestinationDoesNotDelayOthers) { // DQ-016, H130
    Lanes<int> lanes(lane_rules());
    for (int n = 0; n < 1000; ++n) lanes.add("huge.test", n);
    lanes.add("small.test", 5000);
    std::vector<std::string> order;
    while (auto start = lanes.next(t0)) order.push_back(start->lane);
    EXPECT_EQ(order, (std::vector<std::string>{"huge.test", "small.test", "huge.test"}));
}

TEST(Lanes, WidthGrowsOnSuccessAndHalvesOnTrouble) { // SC-061
    Lanes<int> lanes(lane_rules());
    for (int n = 0; n < 100; ++n) lanes.add("a.test", n);
    for (int n = 0; n < 3; ++n) {
        ASSERT_TRUE(lanes.next(t0));
        lanes.finished("a.test", Signal::good, t0);
    }
    EXPECT_EQ(lanes.width_of("a.test"), 4u); // never above the limit
    ASSERT_TRUE(lanes.next(t0));
    lanes.finished("a.test", Signal::busy, t0);
    EXPECT_EQ(lanes.width_of("a.test"), 2u);
}

TEST(Lanes, TotalIsBounded) {
    Lanes<int> lanes(lane_rules());
    for (int n = 0; n < 20; ++n) lanes.add("d" + std::to_string(n) + ".test", n);
    int started = 0;
    while (lanes.next(t0)) ++started;
    EXPECT_EQ(started, 10);
}

TEST(Lanes, DeadDestinationIsProbedNotHammered) { // DQ-015, SC-012
    Lanes<int> lanes(lane_rules());
    for (int n = 0; n < 1000; ++n) lanes.add("dead.test", n);
    int dialled = 0;
    Time now = t0;
    for (int second = 0; second < 600; ++second, now += 1s) {
        while (auto start = lanes.next(now)) {
            if (start->pause) { // told, not tried
                EXPECT_EQ(start->pause->reason, Reason::connect_failed);
                lanes.finished("dead.test", Signal::neutral, now);
                lanes.add("dead.test", start->job);
                break;
            }
            ++dialled;
            Pause why;
            why.reason = Reason::connect_failed;
            lanes.finished("dead.test", Signal::dead, now, why);
        }
    }
    EXPECT_LE(dialled, 8);
    EXPECT_GE(dialled, 3);
    // it answers: the lane opens again, and what waits in the store is released, once
    using Reasons = std::vector<Reason>;
    while (auto start = lanes.next(now)) {
        if (start->pause) {
            lanes.finished("dead.test", Signal::neutral, now);
            now += 60s;
            continue;
        }
        EXPECT_EQ(lanes.finished("dead.test", Signal::good, now), Reasons{Reason::connect_failed});
        break;
    }
    EXPECT_GE(lanes.width_of("dead.test"), 2u);
    ASSERT_TRUE(lanes.next(now));
    EXPECT_EQ(lanes.finished("dead.test", Signal::good, now, {}, Reason::connect_failed), Reasons{});
}

TEST(Lanes, NewMailIsTriedAtOnceAfterASingleFailure) { // DQ-013, DQ-016: its host may have been mended since
    Lanes<int> lanes(lane_rules());
    const auto rests = [&](Time now, Signal signal) {
        lanes.add("a.test", 1);
        const auto start = lanes.next(now);
        EXPECT_TRUE(start);
        const bool resting = start->pause.has_value();
        lanes.finished("a.test", resting ? Signal::neutral : signal, now);
        return resting;
    };
    Time now = t0;
    EXPECT_FALSE(rests(now, Signal::dead));
    EXPECT_FALSE(rests(now + 1s, Signal::good)); // tried, and all is well again
    EXPECT_FALSE(rests(now + 2s, Signal::dead));
    EXPECT_FALSE(rests(now + 3s, Signal::dead)); // the second in a row
    EXPECT_TRUE(rests(now + 4s, Signal::dead));
    now += 40s; // after half the first retry time a probe
    EXPECT_FALSE(rests(now, Signal::dead));
    EXPECT_TRUE(rests(now + 1s, Signal::dead)); // which one failure answers
    EXPECT_TRUE(rests(now + 149s, Signal::dead));
    // failures far apart are no reason: the lane has been forgotten in between
    Lanes<int> fresh(lane_rules());
    for (int n = 0; n < 5; ++n, now += 360s) {
        fresh.add("b.test", n);
        const auto start = fresh.next(now);
        ASSERT_TRUE(start && !start->pause);
        fresh.finished("b.test", Signal::dead, now);
        fresh.tidy(now + 359s);
        EXPECT_EQ(fresh.lane_count(), 0u);
    }
}

TEST(Lanes, WhatMustBeTriedKeepsToTheBounds) { // DQ-016, DQ-017: at a destination that hangs
    Lanes<int> lanes(lane_rules());            // 10 in all, 2 at first
    for (int n = 0; n < 2; ++n) {
        lanes.add("dead.test", n);
        ASSERT_TRUE(lanes.next(t0));
        lanes.finished("dead.test", Signal::dead, t0);
    }
    for (int n = 0; n < 100; ++n) lanes.add("dead.test", n);
    int started = 0;
    for (int n = 0; n < 1000; ++n) {
        const auto start = lanes.next(t0 + 1s);
        if (!start) break;
        if (start->pause) {
            lanes.finished("dead.test", Signal::neutral, t0 + 1s);
            lanes.insist("dead.test", start->job);
        } else {
            ++started;
        }
    }
    EXPECT_EQ(started, 2);
    EXPECT_EQ(lanes.waiting_in("dead.test"), 98U);
    lanes.add("good.test", 1);
    const auto start = lanes.next(t0 + 1s);
    ASSERT_TRUE(start);
    EXPECT_EQ(start->lane, "good.test");
    lanes.finished("dead.test", Signal::dead, t0 + 1s);
    const auto next = lanes.next(t0 + 1s);
    ASSERT_TRUE(next && !next->pause);
    lanes.tidy(t0 + 3600s);
    EXPECT_EQ(lanes.drain().size(), 97U);
}

TEST(Lanes, FlappingBringsNobodyBack) { // SC-090: only the end of a rest does
    Lanes<int> lanes(lane_rules());
    Pause why;
    why.reason = Reason::connection_lost;
    Time now = t0;
    for (int n = 0; n < 100; ++n, now += 1s) {
        lanes.add("a.test", n);
        ASSERT_TRUE(lanes.next(now));
        const bool good = n % 2 == 1;
        EXPECT_EQ(lanes.finished("a.test", good ? Signal::good : Signal::dead, now, why), std::vector<Reason>{});
    }
    why.reason = Reason::smtp_reply; // 421 in the greeting: what the server put off itself keeps its time
    for (int n = 0; n < 2; ++n) {
        lanes.add("a.test", n);
        ASSERT_TRUE(lanes.next(now));
        lanes.finished("a.test", Signal::dead, now, why);
    }
    now += 40s;
    lanes.add("a.test", 1);
    ASSERT_TRUE(lanes.next(now));
    EXPECT_EQ(lanes.finished("a.test", Signal::good, now), std::vector<Reason>{});
}

TEST(Lanes, RecoveryIsLearntFromAJobWhenTheLaneIsNew) { // DQ-015: after a restart
    using Reasons = std::vector<Reason>;
    Lanes<int> lanes(lane_rules());
    const auto one = [&](Signal signal, Reason waited_for, Reason why = Reason::none) {
        lanes.add("a.test", 1);
        lanes.add("a.test", 2); // keeps the lane
        EXPECT_TRUE(lanes.next(t0));
        Pause pause;
        pause.reason = why;
        return lanes.finished("a.test", signal, t0, pause, waited_for);
    };
    EXPECT_EQ(one(Signal::good, Reason::none), Reasons{});
    EXPECT_EQ(one(Signal::neutral, Reason::timeout), Reasons{});
    EXPECT_EQ(one(Signal::good, Reason::timeout), Reasons{Reason::timeout});
    EXPECT_EQ(one(Signal::good, Reason::timeout), Reasons{});
    EXPECT_EQ(one(Signal::good, Reason::dns_error), Reasons{Reason::dns_error});
    for (int n = 0; n < 2; ++n) EXPECT_EQ(one(Signal::dead, Reason::timeout, Reason::tlsa_invalid), Reasons{});
    EXPECT_EQ(one(Signal::good, Reason::timeout), (Reasons{Reason::tlsa_invalid, Reason::timeout}));
}

TEST(Lanes, FullWindowsAreNamed) {
    Lanes<int> lanes(lane_rules());
    for (int n = 0; n < 3; ++n) lanes.add("a.test", n);
    lanes.add("b.test", 1);
    EXPECT_EQ(lanes.full(), std::vector<std::string>{"a.test"});
}

TEST(Lanes, TellsWhenAFilledOneRunsLow) { // its connections must not wait for the next look into the store
    auto r = lane_rules();
    r.window = 8;
    r.total = r.per_lane = r.first_width = 100;
    Lanes<int> lanes(r);
    const auto deliver = [&](int count) {
        for (int n = 0; n < count; ++n) ASSERT_TRUE(lanes.next(t0));
    };
    for (int n = 0; n < 3; ++n) lanes.add("small.test", n);
    deliver(3);
    EXPECT_FALSE(lanes.ran_low()); // never filled: there was no more
    for (int n = 0; n < 8; ++n) lanes.add("huge.test", n);
    deliver(5);
    EXPECT_FALSE(lanes.ran_low());
    deliver(1);
    EXPECT_TRUE(lanes.ran_low());
    EXPECT_FALSE(lanes.ran_low()); // told once
    lanes.add("huge.test", 9);
    deliver(3);
    EXPECT_FALSE(lanes.ran_low()); // nor for every message of a lane that is nearly empty
}

TEST(Lanes, EmptyLanesAreForgotten) {
    Lanes<int> lanes(lane_rules());
    for (int n = 0; n < 100000; ++n) {
        lanes.add("d" + std::to_string(n) + ".test", n);
        ASSERT_TRUE(lanes.next(t0));
        lanes.finished("d" + std::to_string(n) + ".test", Signal::good, t0);
    }
    EXPECT_EQ(lanes.lane_count(), 0u);
}

} // namespace
} // namespace danelaw::schedule
