// Several relays on one queue: leases, fencing, takeover, the server going away, schema versions (DQ-006, DQ-064,
// H135).
#include "store/store_support.hpp"

#include <set>

namespace danelaw::store {
namespace {

using message::RecipientState;

class Shared : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!PostgresServer::instance().why().empty()) GTEST_SKIP() << PostgresServer::instance().why();
        conninfo = PostgresServer::instance().new_database();
    }
    Result<Opened> open(const std::string& owner, Millis lease = std::chrono::minutes(2)) {
        PostgresOptions options;
        options.conninfo = conninfo;
        options.owner = owner;
        options.lease = lease;
        return open_shared(std::move(options));
    }
    void sql(const std::string& statement) { PostgresServer::instance().sql(conninfo, statement); }
    std::string conninfo;
};

// Every lease ends now, as if its time had passed.
constexpr const char* leases_end =
    "UPDATE danelaw.recipient SET lease = clock_timestamp() - interval '1s' WHERE owner IS NOT NULL";

TEST_F(Shared, TwoRelaysNeverClaimTheSame) {
    auto a = open("a"), b = open("b");
    ASSERT_TRUE(a && b);
    std::vector<Task<Result<std::vector<Job>>>> tasks;
    for (int i = 0; i < 200; ++i)
        tasks.push_back(a->queue->add(sample({"x@d" + std::to_string(i % 5) + ".example"}), Claiming::later));
    run_all(std::move(tasks));
    std::set<std::string> seen;
    std::size_t claimed = 0;
    for (int round = 0; round < 20; ++round) {
        std::vector<Task<Result<std::vector<Job>>>> both;
        both.push_back(a->queue->claim(claim_at(at(100), 20)));
        both.push_back(b->queue->claim(claim_at(at(100), 20)));
        for (auto& jobs : run_all(std::move(both))) {
            ASSERT_TRUE(jobs) << jobs.error().detail;
            for (const auto& job : *jobs) seen.insert(job.id);
            claimed += jobs->size();
        }
    }
    EXPECT_EQ(claimed, 200U);
    EXPECT_EQ(seen.size(), 200U);
}

TEST_F(Shared, ALostLeaseStopsItsHolder) {
    auto a = open("a"), b = open("b");
    ASSERT_TRUE(a && b);
    auto m = sample({"x@one.example"});
    auto jobs = run(a->queue->add(m));
    ASSERT_TRUE(jobs);
    ASSERT_EQ(jobs->size(), 1U);
    EXPECT_TRUE(run(a->queue->renew(*jobs)));
    EXPECT_TRUE(run(b->queue->claim(claim_at(at(100))))->empty());
    sql(leases_end);
    EXPECT_LE(*run(b->queue->next_due()), SystemClock().now()); // b knows when to look
    EXPECT_TRUE(run(a->queue->renew(*jobs)));                   // late, but nobody took it
    sql(leases_end);
    auto taken = run(b->queue->claim(claim_at(at(100))));
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->size(), 1U);
    EXPECT_GT((*taken)[0].fence, (*jobs)[0].fence);
    EXPECT_EQ(run(a->queue->renew(*jobs)).error().code, Errc::stale);
    auto late = record_of(id_of(m), {update(0, RecipientState::delivered)});
    late.fence = (*jobs)[0].fence;
    EXPECT_EQ(run(a->queue->record(late)).error().code, Errc::stale);
    late.fence = (*taken)[0].fence;
    EXPECT_TRUE(run(b->queue->record(late))->removed);
}

TEST_F(Shared, AnOutcomeAfterTheLeaseCountsIfNobodyTookIt) {
    auto a = open("a");
    auto m = sample({"x@one.example"});
    auto jobs = run(a->queue->add(m));
    sql(leases_end);
    auto late = record_of(id_of(m), {update(0, RecipientState::delivered)});
    late.fence = (*jobs)[0].fence;
    EXPECT_TRUE(run(a->queue->record(late))->removed);
}

TEST_F(Shared, ALeaseRunsOutByItself) {
    auto a = open("a", Millis(1)), b = open("b");
    ASSERT_TRUE(run(a->queue->add(sample({"x@one.example"}))));
    std::size_t got = 0;
    for (int turn = 0; turn < 1000 && got == 0; ++turn) got = run(b->queue->claim(claim_at(at(100))))->size();
    EXPECT_EQ(got, 1U);
}

TEST_F(Shared, OneRelayAName) {
    auto a = open("same");
    ASSERT_TRUE(a);
    auto b = open("same");
    ASSERT_FALSE(b);
    EXPECT_EQ(b.error().code, Errc::unavailable);
    EXPECT_NE(b.error().detail.find("same"), std::string::npos);
}

TEST_F(Shared, AClosedRelayGivesItsLeasesBack) {
    auto a = open("a"), b = open("b");
    ASSERT_TRUE(run(a->queue->add(sample({"x@one.example"}))));
    a->queue.reset();
    EXPECT_EQ(run(b->queue->claim(claim_at(at(100))))->size(), 1U);
}

// The connection is cut: what is asked for then fails at once with errc::unavailable, later calls work again.
TEST_F(Shared, ConnectsAgain) {
    auto a = open("a");
    ASSERT_TRUE(a);
    auto m = sample({"x@one.example"});
    auto jobs = run(a->queue->add(m));
    ASSERT_TRUE(jobs);
    PostgresServer::instance().sql(
        PostgresServer::instance().new_database(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'danelaw'");
    EXPECT_EQ(run(a->queue->add(sample({"y@one.example"}))).error().code, Errc::unavailable);
    Result<Recorded> recorded = fail(Errc::unavailable, "");
    auto r = record_of(id_of(m), {update(0, RecipientState::delivered)});
    r.fence = (*jobs)[0].fence;
    for (int turn = 0; turn < 100000 && !recorded; ++turn) recorded = run(a->queue->record(r));
    ASSERT_TRUE(recorded) << recorded.error().detail;
    EXPECT_TRUE(recorded->removed);
    EXPECT_EQ(run(a->queue->counts())->messages, 0U);
}

TEST_F(Shared, UnreachableServerIsUnavailable) {
    conninfo = "host=/nonexistent dbname=x";
    EXPECT_EQ(open("a").error().code, Errc::unavailable);
}

TEST_F(Shared, NewerSchemaIsRefusedUntouched) {
    ASSERT_TRUE(open("a"));
    sql("UPDATE danelaw.meta SET version = 99");
    auto opened = open("a");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::config);
    EXPECT_NE(opened.error().detail.find("version 99"), std::string::npos);
}

TEST_F(Shared, DamageIsSetAside) {
    auto a = open("a");
    auto bad = sample({"x@one.example"}), good = sample({"y@one.example"});
    ASSERT_TRUE(run(a->queue->add(bad, Claiming::later)));
    ASSERT_TRUE(run(a->queue->add(good, Claiming::later)));
    sql("UPDATE danelaw.message SET envelope = '\\x07aabbccddee' WHERE id = '" + id_of(bad) + "'");
    EXPECT_EQ(run(a->queue->load(id_of(bad))).error().code, Errc::damaged);
    auto jobs = run(a->queue->claim(claim_at(at(100))));
    ASSERT_TRUE(jobs);
    ASSERT_EQ(jobs->size(), 1U);
    EXPECT_EQ((*jobs)[0].id, id_of(good));
    ASSERT_EQ(a->queue->damaged().size(), 1U);
    EXPECT_EQ(a->queue->damaged()[0].substr(0, 16), id_of(bad));
}

} // namespace
} // namespace danelaw::store
