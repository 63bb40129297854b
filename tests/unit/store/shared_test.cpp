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
    Result<Opened> open(const std::string& owner, Millis lease = std::chrono::seconds(15)) {
        PostgresOptions options;
        options.conninfo = conninfo;
        options.owner = owner;
        options.lease = lease;
        return open_shared(std::move(options));
    }
    void sql(const std::string& statement) { PostgresServer::instance().sql(conninfo, statement); }
    std::string conninfo;
};

// A relay with this lease seems dead most of the time.
constexpr Millis seems_dead{1};

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

// DQ-006, H135
TEST_F(Shared, ALostLeaseStopsItsHolder) {
    auto a = open("a", seems_dead), b = open("b");
    ASSERT_TRUE(a && b);
    auto m = sample({"x@one.example"});
    auto jobs = run(a->queue->add(m));
    ASSERT_TRUE(jobs);
    ASSERT_EQ(jobs->size(), 1U);
    EXPECT_TRUE(run(a->queue->renew(*jobs))); // late, but nobody took it
    Result<std::vector<Job>> taken;
    for (int turn = 0; turn < 10000 && (!taken || taken->empty()); ++turn)
        taken = run(b->queue->claim(claim_at(at(100))));
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->size(), 1U);
    EXPECT_GT((*taken)[0].fence, (*jobs)[0].fence);
    EXPECT_EQ(run(a->queue->renew(*jobs)).error().code, Errc::stale);
    EXPECT_TRUE(run(b->queue->renew(*taken)));
    auto late = record_of(id_of(m), {update(0, RecipientState::delivered)});
    late.fence = (*jobs)[0].fence;
    EXPECT_EQ(run(a->queue->record(late)).error().code, Errc::stale);
    late.fence = (*taken)[0].fence;
    EXPECT_TRUE(run(b->queue->record(late))->removed);
}

TEST_F(Shared, ALivingRelayKeepsWhatItHolds) {
    auto a = open("a"), b = open("b");
    auto jobs = run(a->queue->add(sample({"x@one.example"})));
    ASSERT_TRUE(jobs);
    EXPECT_TRUE(run(a->queue->renew(*jobs)));
    EXPECT_TRUE(run(b->queue->claim(claim_at(at(100))))->empty());
    EXPECT_LE(b->queue->look_again(), Millis(Seconds(15))); // b looks again in time
    EXPECT_EQ(b->queue->sharing(), 2U);
    auto relays = run(b->queue->relays());
    ASSERT_TRUE(relays);
    ASSERT_EQ(relays->size(), 2U);
    EXPECT_EQ((*relays)[0].name, "a");
    EXPECT_EQ((*relays)[0].holds, 1U);
    auto listed = run(b->queue->list(everything(), 10, ""));
    ASSERT_TRUE(listed);
    EXPECT_EQ(listed->at(0).recipients[0].relay, "a");
}

TEST_F(Shared, AnOutcomeAfterTheLeaseCountsIfNobodyTookIt) {
    auto a = open("a");
    auto m = sample({"x@one.example"});
    auto jobs = run(a->queue->add(m));
    sql("UPDATE danelaw.recipient SET owner = NULL");
    auto late = record_of(id_of(m), {update(0, RecipientState::delivered)});
    late.fence = (*jobs)[0].fence;
    EXPECT_TRUE(run(a->queue->record(late))->removed);
}

// The answer to a commit was lost: recorded again, it is one outcome, not two and not a failure (H127).
TEST_F(Shared, ARecordMadeTwiceIsOne) {
    auto a = open("a");
    auto m = sample({"x@one.example", "y@one.example"});
    auto jobs = run(a->queue->add(m));
    ASSERT_TRUE(jobs);
    auto first = record_of(
        id_of(m), {update(0, RecipientState::delivered), update(1, RecipientState::queued, at(7), Reason::timeout)},
        {"why"});
    first.fence = (*jobs)[0].fence;
    for (int turn = 0; turn < 2; ++turn) {
        auto recorded = run(a->queue->record(first));
        ASSERT_TRUE(recorded) << recorded.error().detail;
        EXPECT_FALSE(recorded->removed);
        EXPECT_TRUE(recorded->stale.empty());
    }
    auto trace = run(a->queue->trace(id_of(m)));
    EXPECT_EQ(trace->attempts.size(), 1U);
    EXPECT_EQ(trace->message.recipients[1].attempts, 1U);
    auto again = run(a->queue->claim(claim_at(at(100))));
    ASSERT_EQ(again->size(), 1U);
    auto last = record_of(id_of(m), {update(1, RecipientState::bounced)});
    last.fence = (*again)[0].fence;
    last.notices.push_back(sample({"sender@example.org"}));
    for (int turn = 0; turn < 2; ++turn) {
        auto recorded = run(a->queue->record(last));
        ASSERT_TRUE(recorded) << recorded.error().detail;
        EXPECT_TRUE(recorded->removed);
    }
    EXPECT_EQ(run(a->queue->counts())->messages, 1U); // the notice
}

TEST_F(Shared, ADeadRelaysMailIsTakenOver) {
    auto a = open("a", seems_dead), b = open("b");
    ASSERT_TRUE(run(a->queue->add(sample({"x@one.example"}))));
    std::size_t got = 0;
    for (int turn = 0; turn < 10000 && got == 0; ++turn) got = run(b->queue->claim(claim_at(at(100))))->size();
    EXPECT_EQ(got, 1U);
}

// TR-020: once for all relays
TEST_F(Shared, OneRelayHasTheDuty) {
    auto a = open("a"), b = open("b");
    EXPECT_TRUE(*run(a->queue->take_duty("reports", std::chrono::hours(1))));
    EXPECT_FALSE(*run(b->queue->take_duty("reports", std::chrono::hours(1))));
    EXPECT_TRUE(*run(b->queue->take_duty("other", std::chrono::hours(1))));
    EXPECT_TRUE(*run(a->queue->take_duty("reports", Millis(0)))); // prolonged, or as here ended
    EXPECT_TRUE(*run(b->queue->take_duty("reports", std::chrono::hours(1))));
    b->queue.reset(); // gone: its duty is open
    EXPECT_TRUE(*run(a->queue->take_duty("reports", std::chrono::hours(1))));
}

// A queue of version 1 becomes ours, with what is in it (DQ-064).
TEST_F(Shared, AnOlderSchemaIsMigrated) {
    auto m = sample({"x@one.example"});
    ASSERT_TRUE(run(open("a")->queue->add(m, Claiming::later)));
    sql("SET search_path = danelaw; UPDATE meta SET version = 1; DROP TABLE relay; DROP TABLE duty; DROP INDEX "
        "message_sender, recipient_owner; DROP INDEX recipient_reason; ALTER TABLE recipient DROP COLUMN host; DROP "
        "FUNCTION beat; "
        "UPDATE recipient SET owner = 'relay-of-then', lease = now()");
    auto a = open("a");
    ASSERT_TRUE(a) << a.error().detail;
    auto jobs = run(a->queue->claim(claim_at(at(100))));
    ASSERT_TRUE(jobs) << jobs.error().detail;
    ASSERT_EQ(jobs->size(), 1U);
    EXPECT_EQ((*jobs)[0].id, id_of(m));
    EXPECT_EQ(*run(a->queue->read(id_of(m), 0)), m.content);
}

// A count that an older version left wrong is put right; and no wrong count ends a message that somebody waits for.
TEST_F(Shared, OpenRecipientsAreCountedAnewByAMigration) {
    const std::vector<std::string> addresses{"x@one.example", "y@two.example"};
    auto high = sample(addresses), low = sample(addresses), done = sample(addresses);
    for (const auto* m : {&high, &low, &done}) ASSERT_TRUE(run(open("a")->queue->add(*m, Claiming::later)));
    sql("UPDATE danelaw.message SET open = 7; UPDATE danelaw.recipient SET state = 1 WHERE id = '" + id_of(done) +
        "'; UPDATE danelaw.meta SET version = 3");
    auto a = open("a");
    ASSERT_TRUE(a) << a.error().detail;
    EXPECT_FALSE(run(a->queue->trace(id_of(done)))->in_queue);
    sql("UPDATE danelaw.message SET open = 1 WHERE id = '" + id_of(low) + "'");
    for (const auto* m : {&high, &low}) {
        EXPECT_FALSE(run(a->queue->record(record_of(id_of(*m), {update(1, RecipientState::delivered)})))->removed);
        EXPECT_TRUE(run(a->queue->record(record_of(id_of(*m), {update(0, RecipientState::delivered)})))->removed);
    }
}

// Relays and an operator close recipients of one message at once: it is finished when the last is, and not before.
TEST_F(Shared, AMessageThatAllWorkOnIsFinishedOnce) {
    auto a = open("a"), b = open("b");
    std::vector<std::string> addresses;
    for (int n = 0; n < 60; ++n) addresses.push_back("x@d" + std::to_string(n) + ".example");
    const auto m = sample(addresses);
    ASSERT_TRUE(run(a->queue->add(m, Claiming::later)));
    std::vector<Task<Result<Recorded>>> records;
    for (auto* relay : {&*a, &*b}) {
        auto jobs = run(relay->queue->claim(claim_at(at(100), 20)));
        ASSERT_TRUE(jobs) << jobs.error().detail;
        EXPECT_EQ(jobs->size(), 20U);
        for (const auto& job : *jobs) {
            auto r = record_of(job.id, {update(job.recipients.at(0), RecipientState::delivered)});
            r.fence = job.fence;
            records.push_back(relay->queue->record(std::move(r)));
        }
    }
    std::set<std::string> rest;
    auto listed = run(b->queue->load(id_of(m)));
    for (const auto& r : listed->recipients)
        if (r.relay.empty()) rest.insert(r.domain);
    ASSERT_EQ(rest.size(), 20U);
    auto remove_rest = [](Queue& queue, std::set<std::string> domains) -> Task<Result<Recorded>> {
        for (const auto& domain : domains) {
            Filter f;
            f.domain = domain;
            auto acted = co_await queue.act(Queue::Action::remove, std::move(f), at(200));
            if (!acted) co_return fail(acted.error());
        }
        co_return Recorded{};
    };
    records.push_back(remove_rest(*b->queue, rest));
    for (const auto& recorded : run_all(std::move(records))) EXPECT_TRUE(recorded) << recorded.error().detail;
    EXPECT_EQ(run(a->queue->counts())->messages, 0U);
    EXPECT_FALSE(run(a->queue->trace(id_of(m)))->in_queue);
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

// What the server holds for a relay that doesn't know of it, since an answer was lost, waits for nobody.
TEST_F(Shared, ClaimsWithoutAnAnswerAreGivenBack) {
    auto a = open("a"), b = open("b");
    ASSERT_TRUE(run(a->queue->add(sample({"x@one.example"}), Claiming::later)));
    sql("UPDATE danelaw.recipient SET owner = 'a', fence = nextval('danelaw.fence')");
    EXPECT_TRUE(run(b->queue->claim(claim_at(at(100))))->empty());
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'danelaw' AND datname = "
        "current_database()");
    std::size_t got = 0;
    for (int turn = 0; turn < 10000 && got == 0; ++turn) {
        (void)run(a->queue->next_due());
        auto jobs = run(b->queue->claim(claim_at(at(100))));
        if (jobs) got = jobs->size();
    }
    EXPECT_EQ(got, 1U);
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
