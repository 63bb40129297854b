// What is kept of sessions, for whom, and over what (TR-003, TR-004, TR-011, TR-020, TR-048).
#include "report_support.hpp"

#include "danelaw/base/limits.hpp"

namespace danelaw::report {
namespace {

const std::string record = "v=TLSRPTv1; rua=mailto:r@a.test";

std::pair<std::uint64_t, std::uint64_t> totals(const boost::json::value& shown) {
    std::pair<std::uint64_t, std::uint64_t> out{0, 0};
    for (const auto& policy : shown.at("report").at("policies").as_array()) {
        out.first += policy.at("summary").at("total-successful-session-count").to_number<std::uint64_t>();
        out.second += policy.at("summary").at("total-failure-session-count").to_number<std::uint64_t>();
    }
    return out;
}

TEST(TlsCounter, AddsUpOverRestarts) { // TR-020
    World world;
    world.resolver.set("a.test", {record});
    for (int life = 0; life < 3; ++life) {
        world.count(session("a.test"), 2);
        world.count(session("a.test", "tlsa-invalid"));
        world.close();
        world.open();
    }
    const auto all = world.show();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(totals(all[0]), (std::pair<std::uint64_t, std::uint64_t>{6, 3}));
}

TEST(TlsCounter, WritesBehindByItself) { // nobody has to ask: only the last moments can be lost
    World world;
    world.resolver.set("a.test", {record});
    bool ended = false;
    boost::asio::co_spawn(world.io, world.counter->run(), [&ended](std::exception_ptr) { ended = true; });
    world.count(session("a.test"));
    const auto kept = [&world] { return world.run(world.queue->scan(tables::counts, "")).value(); };
    while (kept().empty()) world.io.run_one_for(std::chrono::milliseconds(50));
    EXPECT_EQ(kept().front().second, "1");
    EXPECT_EQ(world.resolver.asked, std::vector<std::string>{"_smtp._tls.a.test"});
    world.count(session("a.test"), 3); // TR-003: kept by TTL, not asked again
    while (kept().front().second != "4") world.io.run_one_for(std::chrono::milliseconds(50));
    EXPECT_EQ(world.resolver.asked.size(), 1u);
    world.counter->stop();
    while (!ended) world.io.run_one();
}

TEST(TlsCounter, WithoutARecordNothingIsKept) { // TR-004
    World world;
    bool ended = false;
    boost::asio::co_spawn(world.io, world.counter->run(), [&ended](std::exception_ptr) { ended = true; });
    world.resolver.set("a.test", {record});
    world.count(session("a.test"));
    world.count(session("b.test"));
    const auto kept = [&world](const char* table) { return world.run(world.queue->scan(table, "")).value(); };
    while (kept(tables::counts).empty()) world.io.run_one_for(std::chrono::milliseconds(50));
    world.counter->stop();
    while (!ended) world.io.run_one();
    ASSERT_EQ(kept(tables::domains).size(), 1u);
    EXPECT_EQ(kept(tables::domains)[0].first, "2026-11-25 a.test");
    EXPECT_EQ(kept(tables::counts).size(), 1u);
}

TEST(TlsCounter, LookingKeepsNothingThatNobodyWants) { // TR-004: the answer is awaited, not anticipated
    World world;
    world.resolver.set("a.test", {record});
    world.count(session("a.test"));
    world.count(session("b.test"));
    EXPECT_EQ(world.show().size(), 1u);
    EXPECT_EQ(world.run(world.queue->scan(tables::domains, "")).value().size(), 1u);
}

TEST(TlsCounter, AStopWaitsForNoAnswer) { // TR-020: kept; the record at report time decides
    World world;
    world.count(session("a.test"));
    world.run(world.counter->save());
    EXPECT_EQ(world.run(world.queue->scan(tables::domains, "")).value()[0].second, "?");
    EXPECT_TRUE(world.resolver.asked.empty());
}

TEST(TlsCounter, ManyDestinationsShareCommits) { // one after the other each would take three
    World world;
    constexpr int destinations = 300;
    for (int n = 0; n < destinations; ++n) world.count(session("d" + std::to_string(n) + ".test"));
    const auto before = world.queue->stats().commits;
    world.run(world.counter->save());
    EXPECT_LT(world.queue->stats().commits - before, destinations / 2u);
    EXPECT_EQ(world.run(world.queue->scan(tables::counts, "")).value().size(), std::size_t{destinations});
    EXPECT_EQ(world.run(world.queue->scan(tables::domains, "")).value().size(), std::size_t{destinations});
    EXPECT_EQ(world.run(world.queue->scan(tables::policies, "")).value().size(), std::size_t{destinations});
}

TEST(TlsCounter, AFailedLookupIsNoNo) { // TR-003: the record at report time decides
    World world;
    world.resolver.fail("a.test");
    world.count(session("a.test"));
    world.close();
    world.open();
    EXPECT_EQ(world.show().size(), 1u);
}

TEST(TlsCounter, DaysAreApart) { // TR-030
    World world;
    world.resolver.set("a.test", {record});
    world.clock.at = *parse_rfc3339("2026-11-25T23:59:59.999Z");
    world.count(session("a.test"));
    world.clock.at += Millis{1};
    world.count(session("a.test"), 2);
    EXPECT_EQ(totals(world.show("2026-11-25")[0]).first, 1u);
    EXPECT_EQ(totals(world.show("2026-11-26")[0]).first, 2u);
}

TEST(TlsCounter, AddressLiteralsHaveNoRecord) {
    World world;
    world.count(session("[192.0.2.1]"));
    EXPECT_TRUE(world.show().empty());
}

TEST(TlsCounter, APeerThatNeverSaysTheSameFillsNoDisk) { // TR-048
    World world;
    world.resolver.set("a.test", {record});
    const std::size_t many = limits::report_groups + 50;
    for (std::size_t i = 0; i < many; ++i) {
        auto one = session("a.test", "validation-failure");
        one.failure_reason_code = std::to_string(i);
        world.counter->count(one);
    }
    world.run(world.counter->flush());
    const auto kept = world.run(world.queue->scan(tables::counts, "")).value();
    EXPECT_LE(kept.size(), limits::report_groups + 1);
    EXPECT_EQ(totals(world.show()[0]).second, many); // and none is forgotten
}

} // namespace
} // namespace danelaw::report
