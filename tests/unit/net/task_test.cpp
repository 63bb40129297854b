// Task groups, wake-ups, time limits, workers.
#include "net/net_support.hpp"

#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/net/within.hpp"
#include "danelaw/net/worker.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

namespace danelaw::net {
namespace {

using namespace testing;

Task<void> throws() {
    (void)co_await pause_until(deadline_after(1ms));
    throw std::runtime_error("a bug");
}

Task<void> counts(int& n) {
    ++n;
    co_return;
}

Task<bool> group_reports() {
    std::string report;
    int n = 0;
    TaskGroup group(co_await boost::asio::this_coro::executor,
                    [&](const std::string& task, const std::string& what) { report = task + ": " + what; });
    co_await group.join(); // empty: at once
    group.spawn("bad", throws());
    group.spawn("good", counts(n));
    co_await group.join();
    EXPECT_EQ(report, "bad: a bug");
    EXPECT_EQ(n, 1);
    group.spawn("again", counts(n));
    EXPECT_TRUE(co_await group.join_until(soon()));
    EXPECT_EQ(n, 2);
    co_return true;
}

TEST(TaskGroup, ReportsWhatATaskThrows) {
    boost::asio::io_context io;
    run(io, group_reports());
}

Task<void> pauses_long() {
    (void)co_await pause_until(deadline_after(60s));
}

Task<bool> group_deadline() {
    TaskGroup group(co_await boost::asio::this_coro::executor, {});
    for (int i = 0; i < 100; ++i) group.spawn("long", pauses_long());
    EXPECT_FALSE(co_await group.join_until(deadline_after(10ms)));
    EXPECT_EQ(group.size(), 100u);
    group.cancel_all();
    EXPECT_TRUE(co_await group.join_until(soon()));
    co_return true;
}

TEST(TaskGroup, CancelAllEndsEveryTask) {
    boost::asio::io_context io;
    run(io, group_deadline());
}

Task<bool> wakeups() {
    Wakeup wakeup(co_await boost::asio::this_coro::executor);
    wakeup.notify();
    wakeup.notify();
    EXPECT_EQ(co_await wakeup.wait(soon()), Wakeup::Woken::notified); // kept, and two are one
    EXPECT_EQ(co_await wakeup.wait(deadline_after(5ms)), Wakeup::Woken::timed_out);
    std::thread other([&] { wakeup.notify(); });
    EXPECT_EQ(co_await wakeup.wait(soon()), Wakeup::Woken::notified);
    other.join();
    co_return true;
}

TEST(Wakeup, NoticesAreNeverLost) {
    boost::asio::io_context io;
    run(io, wakeups());
}

Task<void> waits(Wakeup& wakeup, Wakeup::Woken& woken) {
    woken = co_await wakeup.wait();
}

Task<bool> wakeup_cancelled() {
    const auto executor = co_await boost::asio::this_coro::executor;
    Wakeup wakeup(executor);
    auto woken = Wakeup::Woken::notified;
    TaskGroup group(executor, {});
    group.spawn("waiter", waits(wakeup, woken));
    (void)co_await pause_until(deadline_after(1ms));
    group.cancel_all();
    co_await group.join();
    EXPECT_EQ(woken, Wakeup::Woken::cancelled);
    co_return true;
}

TEST(Wakeup, WaitIsCancelledWithItsTask) {
    boost::asio::io_context io;
    run(io, wakeup_cancelled());
}

Task<Result<int>> slow(Millis how_long) {
    auto waited = co_await pause_until(deadline_after(how_long));
    if (!waited) co_return fail(std::move(waited.error()));
    co_return 7;
}

Task<Result<int>> failing() {
    (void)co_await pause_until(deadline_after(1ms));
    co_return fail(Errc::io, "no");
}

Task<bool> limits_time() {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ((co_await within(soon(), slow(2ms))).value(), 7);
    EXPECT_EQ((co_await within(deadline_after(5ms), slow(60s))).error().code, Errc::timeout);
    EXPECT_EQ((co_await within(soon(), failing())).error().code, Errc::io); // a failure ends it at once
    EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
    co_return true;
}

TEST(Within, BoundsAnOperation) {
    boost::asio::io_context io;
    run(io, limits_time());
}

Task<bool> works() {
    WorkerPool pool(2);
    const auto here = std::this_thread::get_id();
    auto work = [here] { return std::this_thread::get_id() != here; };
    EXPECT_TRUE(co_await pool.run(work));
    EXPECT_EQ(std::this_thread::get_id(), here);
    auto bad = []() -> std::string { throw std::runtime_error("no"); };
    std::string thrown;
    try {
        (void)co_await pool.run(bad);
    } catch (const std::runtime_error& e) {
        thrown = e.what();
    }
    EXPECT_EQ(thrown, "no");
    co_return true;
}

TEST(WorkerPool, RunsElsewhereAndComesBack) {
    boost::asio::io_context io;
    run(io, works());
}

} // namespace
} // namespace danelaw::net
