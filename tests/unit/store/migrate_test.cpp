// Moving a queue from one store to the other and back.
#include "store/store_support.hpp"

namespace danelaw::store {
namespace {

using message::RecipientState;

struct Stores {
    std::unique_ptr<World> sqlite = embedded_world(), postgres = postgres_world();
};

void move_all(Queue& from, Queue& to, std::uint64_t count) {
    std::uint64_t told = 0;
    auto moved = run(migrate(from, to, at(50), [&told](std::uint64_t n) { told = n; }));
    ASSERT_TRUE(moved) << moved.error().detail;
    EXPECT_EQ(*moved, count);
    EXPECT_EQ(told, count);
    EXPECT_EQ(run(from.counts())->messages, 0U);
}

TEST(Migrate, ThereAndBackKeepsEverything) {
    Stores stores;
    if (!stores.postgres->why_not().empty()) GTEST_SKIP() << stores.postgres->why_not();
    auto a = stores.sqlite->open(), b = stores.postgres->open();
    auto deferred = sample({"x@one.example", "y@two.example"}), held = sample({"z@one.example"}),
         large = sample({"l@one.example"}, at(1), "");
    held.message.recipients[0].state = RecipientState::held;
    auto jobs = run(a->add(deferred));
    ASSERT_TRUE(run(a->record(
        record_of(id_of(deferred),
                  {update(0, RecipientState::queued, at(70), Reason::timeout), update(1, RecipientState::delivered)},
                  {"one", "two"}))));
    ASSERT_TRUE(run(a->add(held)));
    std::string piece(limits::chunk, 'p');
    ASSERT_TRUE(run(a->append(id_of(large), 0, piece)));
    ASSERT_TRUE(run(a->append(id_of(large), 1, "end")));
    ASSERT_TRUE(run(a->add(large, Claiming::later)));
    for (int i = 0; i < 150; ++i) ASSERT_TRUE(run(a->add(sample({"n@three.example"}, at(2)), Claiming::later)));

    move_all(*a, *b, 153);
    move_all(*b, *a, 153);

    auto trace = run(a->trace(id_of(deferred)));
    ASSERT_TRUE(trace) << trace.error().detail;
    ASSERT_TRUE(trace->in_queue);
    EXPECT_EQ(trace->attempts, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(trace->message.recipients[0].next_attempt, at(70));
    EXPECT_EQ(trace->message.recipients[0].attempts, 1U);
    EXPECT_EQ(trace->message.recipients[0].last->reason, Reason::timeout);
    EXPECT_EQ(trace->message.recipients[1].state, RecipientState::delivered);
    EXPECT_EQ(*run(a->read(id_of(deferred), 0)), deferred.content);
    EXPECT_EQ(*run(a->read(id_of(large), 0)), piece);
    EXPECT_EQ(*run(a->read(id_of(large), 1)), "end");
    EXPECT_EQ(run(a->counts())->held, 1U);
    EXPECT_EQ(run(a->claim(claim_at(at(69))))->size(), 151U);
}

TEST(Migrate, GoesOnWhereItStopped) {
    auto one = embedded_world(), two = embedded_world();
    auto from = one->open(), to = two->open();
    auto both = sample({"x@one.example"}), finished = sample({"y@one.example"});
    ASSERT_TRUE(run(from->add(both)));
    ASSERT_TRUE(run(from->add(finished)));
    // Killed before they had left the old store; one was even delivered from the new.
    ASSERT_TRUE(run(to->add(both)));
    ASSERT_TRUE(run(to->add(finished)));
    ASSERT_TRUE(run(to->record(record_of(id_of(finished), {update(0, RecipientState::delivered)}))));
    move_all(*from, *to, 2);
    EXPECT_EQ(run(to->counts())->messages, 1U);
}

} // namespace
} // namespace danelaw::store
