// What an MTA-STS policy in the store is worth while the store, or the DNS, is in trouble.
#include "danelaw/delivery/sts_fetcher.hpp"

#include "danelaw/sts/cache.hpp"
#include "world.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

namespace danelaw::delivery::test {
namespace {

namespace asio = boost::asio;

// Of a store only the small key-values; `failing` of its next answers are errors.
class Shelf final : public store::Queue {
  public:
    std::map<std::string, std::string> values;
    int failing = 0, asked = 0;

    store::Task<Result<std::optional<std::string>>> get(std::string, std::string key) override {
        ++asked;
        if (failing > 0) {
            --failing;
            co_return fail(Errc::io, "disk I/O error");
        }
        const auto found = values.find(key);
        if (found == values.end()) co_return std::optional<std::string>();
        co_return found->second;
    }
    store::Task<Result<void>> put(std::string, std::string key, std::string value) override {
        values[key] = std::move(value);
        co_return Result<void>{};
    }
    store::Task<Result<std::vector<std::pair<std::string, std::string>>>> scan(std::string, std::string) override {
        co_return std::vector<std::pair<std::string, std::string>>();
    }

    store::Task<Result<void>> append(std::string, std::uint32_t, std::string) override { co_return none(); }
    store::Task<void> discard(std::string) override { co_return; }
    store::Task<Result<std::vector<store::Job>>> add(store::NewMessage, store::Claiming) override { co_return none(); }
    store::Task<Result<std::vector<store::Job>>> claim(store::ClaimRequest) override { co_return none(); }
    store::Task<Result<Time>> next_due() override { co_return none(); }
    void on_due(std::function<void()>) override {}
    store::Task<Result<store::Message>> load(std::string, std::optional<store::Numbers>) override { co_return none(); }
    store::Task<Result<std::string>> read(std::string, std::uint32_t) override { co_return none(); }
    store::Task<Result<store::Recorded>> record(store::Record) override { co_return none(); }
    store::Task<Result<void>> release(std::vector<store::Job>) override { co_return none(); }
    store::Task<Result<std::vector<store::Message>>> list(store::Filter, std::size_t, std::string) override {
        co_return none();
    }
    store::Task<Result<store::Trace>> trace(std::string) override { co_return none(); }
    store::Task<Result<Acted>> act(Action, store::Filter, Time) override { co_return none(); }
    store::Task<Result<store::Counts>> counts() override { co_return none(); }
    store::Task<Result<std::vector<store::DomainCount>>> domains(store::DomainQuery) override { co_return none(); }
    store::Task<Result<std::vector<store::ReasonCount>>> reasons() override { co_return none(); }
    store::Task<Result<void>> add_counts(std::string, std::vector<std::pair<std::string, std::int64_t>>) override {
        co_return none();
    }
    std::vector<std::string> damaged() const override { return {}; }
    void stop() override {}
    Stats stats() const override { return {}; }

  private:
    static std::unexpected<Error> none() { return fail(Errc::not_found, "only a shelf"); }
};

struct FixedClock final : Clock {
    Time at{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};
    Time now() const override { return at; }
};

struct StsFetcherTest : testing::Test {
    asio::io_context io;
    World world;
    Shelf shelf;
    tls::Client tls;
    FixedClock clock;
    std::unique_ptr<log::Log> log = log::make({log::Level::error, log::Format::text, "/dev/null"});
    StsFetcher fetcher{{io.get_executor(), world, shelf, tls, *log, clock, [] { return std::string(); }}};

    StsFetcherTest() {
        const auto policy = sts::parse_policy("version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n");
        shelf.values["example.org"] = sts::to_text({"1", clock.at - std::chrono::hours(1), *policy});
    }

    StsResult policy() {
        std::optional<StsResult> out;
        const auto done = [&](const std::exception_ptr& thrown, StsResult r) {
            if (thrown) std::rethrow_exception(thrown);
            out = std::move(r);
        };
        asio::co_spawn(io, fetcher.policy_for(name("example.org"), StsSource::Freshness::cached), done);
        io.restart();
        io.run();
        return std::move(*out);
    }
};

TEST_F(StsFetcherTest, WhatTheStoreHoldsBindsThoughDnsIsSilent) { // MS-005, MS-024
    for (const auto status : {dns::Status::error, dns::Status::bogus}) {
        world.zone["_mta-sts.example.org"].failing["TXT"] = status;
        ASSERT_TRUE(policy().policy);
    }
    EXPECT_EQ(shelf.asked, 1) << "it is kept in memory";
}

TEST_F(StsFetcherTest, AStoreThatCannotBeReadIsNoAbsence) { // MS-005: an announcement may be what an attacker hides
    shelf.failing = 2;
    const auto result = policy();
    ASSERT_TRUE(result.policy);
    EXPECT_EQ(result.policy->mode, sts::Mode::enforce);
    EXPECT_FALSE(result.unknown);
    EXPECT_EQ(shelf.asked, 3);
}

} // namespace
} // namespace danelaw::delivery::test
