// Listing, acting, counting, and fairness among destinations (DQ-015, DQ-016, DQ-019).
#include "store/conformance.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace danelaw::store {
namespace {

using Operator = Conformance;
INSTANTIATE_TEST_SUITE_P(Stores, Operator, ::testing::ValuesIn(kinds), kind_name);

Filter by_id(const std::string& id) {
    Filter f;
    f.ids = {id};
    return f;
}
Filter by_domain(const std::string& domain) {
    Filter f;
    f.domain = domain;
    return f;
}
std::vector<std::string> ids(const std::vector<Message>& messages) {
    std::vector<std::string> out;
    for (const auto& m : messages) out.push_back(m.envelope.id);
    return out;
}

TEST_P(Operator, ListsPageByPage) {
    std::vector<std::string> all;
    for (int i = 0; i < 7; ++i) {
        auto m = sample({"a@one.example"}, at(i));
        all.push_back(id_of(m));
        add(m, Claiming::later);
    }
    std::vector<std::string> seen;
    std::string after;
    while (true) {
        auto page = run(queue->list(Filter{}, 3, after));
        ASSERT_TRUE(page);
        if (page->empty()) break;
        for (auto& id : ids(*page)) seen.push_back(id);
        after = seen.back();
    }
    EXPECT_EQ(seen, all);
}

TEST_P(Operator, FiltersNarrowTheList) {
    auto fresh = sample({"a@one.example"}, at(0));
    auto deferred = sample({"a@two.example", "b@one.example"}, at(100));
    auto held = sample({"a@three.example"}, at(200));
    held.message.recipients[0].state = RecipientState::held;
    held.message.envelope.reverse_path = "";
    auto claimed_again = sample({"a@four.example"}, at(300));
    add(fresh, Claiming::later);
    auto jobs = add(deferred);
    ASSERT_TRUE(record(record_of(id_of(deferred), {update(0, RecipientState::queued, at(900), Reason::timeout),
                                                   update(1, RecipientState::queued, at(900), Reason::dns_error)}),
                       jobs));
    add(held);
    auto more = add(claimed_again);
    ASSERT_TRUE(
        record(record_of(id_of(claimed_again), {update(0, RecipientState::queued, at(400), Reason::timeout)}), more));
    ASSERT_EQ(claim(claim_at(at(400))).size(), 2U); // fresh and claimed_again

    auto list = [&](auto set) {
        Filter f;
        f.now = at(1000);
        set(f);
        auto got = run(queue->list(f, 50, ""));
        return got ? ids(*got) : std::vector<std::string>{"error"};
    };
    using Ids = std::vector<std::string>;
    EXPECT_EQ(list([](Filter& f) { f.state = "active"; }), (Ids{id_of(fresh), id_of(claimed_again)}));
    EXPECT_EQ(list([](Filter& f) { f.state = "deferred"; }), (Ids{id_of(deferred)}));
    EXPECT_EQ(list([](Filter& f) { f.state = "held"; }), (Ids{id_of(held)}));
    EXPECT_EQ(list([](Filter& f) { f.domain = "One.example"; }), (Ids{id_of(fresh), id_of(deferred)}));
    EXPECT_EQ(list([](Filter& f) { f.reason = "dns-error"; }), (Ids{id_of(deferred)}));
    EXPECT_EQ(list([](Filter& f) { f.reason = "dns"; }), Ids{});
    EXPECT_EQ(list([](Filter& f) { f.host = "MX.example.com"; }), (Ids{id_of(deferred), id_of(claimed_again)}));
    EXPECT_EQ(list([](Filter& f) { f.host = ".example.com"; }), (Ids{id_of(deferred), id_of(claimed_again)}));
    EXPECT_EQ(list([](Filter& f) { f.host = "example.com"; }), Ids{});
    EXPECT_EQ(list([](Filter& f) { f.host = ".mx.example.com"; }), Ids{});
    EXPECT_EQ(list([](Filter& f) { f.host = ".ample.com"; }), Ids{});
    EXPECT_EQ(list([](Filter& f) { f.sender = "Sender@Example.org"; }).size(), 3U);
    EXPECT_EQ(list([](Filter& f) { f.sender = "nobody@example.org"; }).size(), 0U);
    EXPECT_EQ(list([](Filter& f) { f.older_than = Seconds(850); }), (Ids{id_of(fresh), id_of(deferred)}));
    EXPECT_EQ(list([&](Filter& f) { f.ids = {id_of(held), "0000000000000000"}; }), (Ids{id_of(held)}));

    auto counts = run(queue->counts());
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->messages, 4U);
    EXPECT_EQ(counts->recipients, 5U);
    EXPECT_EQ(counts->active, 2U);
    EXPECT_EQ(counts->deferred, 2U);
    EXPECT_EQ(counts->held, 1U);
    EXPECT_EQ(counts->destinations, 4U);
    EXPECT_EQ(*counts->oldest, at(0));
    auto domains = run(queue->domains({.limit = 1}));
    ASSERT_TRUE(domains);
    ASSERT_EQ(domains->size(), 1U);
    EXPECT_EQ((*domains)[0].domain, "one.example");
    EXPECT_EQ((*domains)[0].recipients, 2U);
    EXPECT_EQ((*domains)[0].reason, "dns-error");
    EXPECT_EQ((*domains)[0].oldest, at(0));
    const auto three = run(queue->domains({.contains = "three"}));
    ASSERT_EQ(three->size(), 1U);
    EXPECT_EQ((*three)[0].oldest, at(200)); // all of it held
    const auto names = [&](store::DomainQuery query) {
        std::vector<std::string> out;
        const auto found = run(queue->domains(std::move(query)));
        for (const auto& d : *found) out.push_back(d.domain);
        return out;
    };
    const auto all = names({});
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(names({.limit = 2, .offset = 1}), (Ids{all[1], all[2]}));
    EXPECT_EQ(names({.contains = "one"}), (Ids{"one.example"}));
    EXPECT_EQ(names({.reason = "dns-error"}), (Ids{"one.example"}));
    EXPECT_EQ(names({.contains = "nobody"}), Ids{});
    auto reasons = run(queue->reasons());
    ASSERT_TRUE(reasons);
    std::vector<std::string> told;
    for (const auto& r : *reasons)
        told.push_back(r.reason + " " + std::to_string(r.destinations) + " " + std::to_string(r.recipients));
    EXPECT_EQ(told, (Ids{"dns-error 1 2", "timeout 2 2", " 1 1"}));
}

TEST_P(Operator, ActOnNothingNamedNeedsAll) {
    add(sample({"a@one.example"}));
    EXPECT_EQ(run(queue->act(Queue::Action::remove, Filter{}, at(1)))->messages, 0U);
    EXPECT_EQ(run(queue->act(Queue::Action::remove, everything(), at(1)))->messages, 1U);
    EXPECT_EQ(run(queue->counts())->messages, 0U);
}

TEST_P(Operator, MissingIdsAreNamed) {
    auto m = sample({"a@one.example"});
    add(m);
    Filter f;
    f.ids = {id_of(m), "0000000000000000"};
    auto acted = run(queue->act(Queue::Action::flush, f, at(1)));
    ASSERT_TRUE(acted);
    EXPECT_EQ(acted->ids, (std::vector<std::string>{id_of(m)}));
    EXPECT_EQ(acted->missing, (std::vector<std::string>{"0000000000000000"}));
}

TEST_P(Operator, FlushMakesDeferredDueButLeavesHeld) {
    auto m = sample({"a@one.example"}), held = sample({"b@one.example"});
    held.message.recipients[0].state = RecipientState::held;
    auto jobs = add(m);
    add(held);
    ASSERT_TRUE(record(record_of(id_of(m), {update(0, RecipientState::queued, at(5000))}), jobs));
    int woken = 0;
    queue->on_due([&woken] { ++woken; });
    auto acted = run(queue->act(Queue::Action::flush, by_domain("one.example"), at(10)));
    EXPECT_EQ(acted->recipients, 1U);
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(*run(queue->next_due()), at(10));
    restart(); // DQ-019: survives
    EXPECT_EQ(claim(claim_at(at(10))).size(), 1U);
}

TEST_P(Operator, HoldAndReleaseSurviveRestart) {
    auto m = sample({"a@one.example"});
    auto jobs = add(m);
    EXPECT_EQ(run(queue->act(Queue::Action::hold, by_id(id_of(m)), at(1)))->recipients, 1U);
    // What was being tried when the hold came ends as held, not due.
    ASSERT_TRUE(record(record_of(id_of(m), {update(0, RecipientState::queued, at(2))}), jobs));
    EXPECT_EQ(run(queue->load(id_of(m)))->recipients[0].state, RecipientState::held);
    restart();
    EXPECT_TRUE(claim(claim_at(at(100))).empty());
    EXPECT_EQ(run(queue->act(Queue::Action::release, by_id(id_of(m)), at(100)))->recipients, 1U);
    restart();
    EXPECT_EQ(*run(queue->next_due()), at(2));
    EXPECT_EQ(claim(claim_at(at(100))).size(), 1U);
}

TEST_P(Operator, RemoveClosesWithoutNoticeAndMakesClaimsStale) {
    auto m = sample({"a@one.example", "b@two.example"});
    auto jobs = add(m);
    EXPECT_EQ(run(queue->act(Queue::Action::remove, by_domain("one.example"), at(1)))->recipients, 1U);
    EXPECT_EQ(record(record_of(id_of(m), {update(0, RecipientState::delivered)}), jobs).error().code, Errc::stale);
    EXPECT_EQ(run(queue->load(id_of(m)))->recipients[0].state, RecipientState::deleted);
    ASSERT_TRUE(run(queue->act(Queue::Action::remove, by_id(id_of(m)), at(1))));
    EXPECT_EQ(run(queue->load(id_of(m))).error().code, Errc::not_found);
    auto trace = run(queue->trace(id_of(m)));
    ASSERT_TRUE(trace);
    EXPECT_EQ(trace->message.recipients[1].state, RecipientState::deleted);
    EXPECT_EQ(run(queue->counts())->messages, 0U);
}

TEST_P(Operator, BounceClaimsForTheCaller) {
    auto m = sample({"a@one.example"});
    add(m, Claiming::later);
    auto acted = run(queue->act(Queue::Action::bounce, everything(), at(1)));
    ASSERT_TRUE(acted);
    EXPECT_EQ(acted->ids, (std::vector<std::string>{id_of(m)}));
    EXPECT_FALSE(acted->more);
    EXPECT_TRUE(claim(claim_at(at(10))).empty());
    EXPECT_TRUE(record(record_of(id_of(m), {update(0, RecipientState::bounced)}))->removed);
}

// What can't be recorded is given back by the caller, and only that: what a delivery has in hand stays with it.
TEST_P(Operator, BounceThatIsNotRecordedGoesBack) {
    auto tried = sample({"a@one.example"}), waiting = sample({"b@one.example"});
    add(tried);
    add(waiting, Claiming::later);
    auto acted = run(queue->act(Queue::Action::bounce, everything(), at(1)));
    ASSERT_TRUE(acted);
    EXPECT_EQ(acted->ids.size(), 2U);
    if (std::string(GetParam().name) != "sqlite") return; // the shared store's claims end by themselves
    ASSERT_EQ(acted->claimed.size(), 1U);
    ASSERT_TRUE(run(queue->release(acted->claimed)));
    auto jobs = claim(claim_at(at(10)));
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(jobs[0].id, id_of(waiting));
}

// DQ-012: a wrong clock put them a year away.
TEST_P(Operator, FlushOfWhatWaitsTooLong) {
    auto soon = sample({"a@one.example", "b@two.example"}), far = sample({"a@one.example", "b@two.example"});
    for (const auto* m : {&soon, &far}) {
        auto jobs = add(*m);
        const auto due = m == &far ? at(365 * 24 * 3600) : at(3600);
        ASSERT_TRUE(record(record_of(id_of(*m), {update(0, RecipientState::queued, due)}), jobs));
        ASSERT_TRUE(record(record_of(id_of(*m), {update(1, RecipientState::queued, at(3600))}), jobs));
    }
    Filter late;
    late.due_after = at(24 * 3600);
    auto acted = run(queue->act(Queue::Action::flush, late, at(10)));
    ASSERT_TRUE(acted);
    EXPECT_EQ(acted->messages, 1U);
    EXPECT_EQ(acted->recipients, 1U);
    auto jobs = claim(claim_at(at(10)));
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(jobs[0].id, id_of(far));
    EXPECT_EQ(jobs[0].recipients, std::vector<std::uint32_t>{0});
    EXPECT_EQ(run(queue->act(Queue::Action::flush, late, at(11)))->recipients, 0U);
}

TEST_P(Operator, BounceOfManyGoesInRounds) {
    std::vector<Task<Result<std::vector<Job>>>> tasks;
    for (std::size_t i = 0; i < Queue::acted_ids + 5; ++i)
        tasks.push_back(queue->add(sample({"a@one.example"}), Claiming::later));
    run_all(std::move(tasks));
    std::size_t bounced = 0;
    while (true) {
        auto acted = run(queue->act(Queue::Action::bounce, everything(), at(1)));
        ASSERT_TRUE(acted);
        std::vector<Task<Result<Recorded>>> records;
        for (const auto& id : acted->ids)
            records.push_back(queue->record(record_of(id, {update(0, RecipientState::bounced)})));
        for (const auto& r : run_all(std::move(records))) bounced += r ? 1U : 0U;
        if (!acted->more) break;
    }
    EXPECT_EQ(bounced, Queue::acted_ids + 5);
    EXPECT_EQ(run(queue->counts())->messages, 0U);
}

TEST_P(Operator, ActsOnMoreThanOneSlice) {
    std::vector<Task<Result<std::vector<Job>>>> tasks;
    for (int i = 0; i < 1300; ++i) tasks.push_back(queue->add(sample({"a@one.example"}), Claiming::later));
    run_all(std::move(tasks));
    EXPECT_EQ(run(queue->act(Queue::Action::hold, everything(), at(1)))->messages, 1300U);
    EXPECT_EQ(run(queue->counts())->held, 1300U);
    EXPECT_EQ(run(queue->act(Queue::Action::remove, by_domain("one.example"), at(1)))->messages, 1300U);
    EXPECT_EQ(run(queue->counts())->recipients, 0U);
}

// DQ-016: no destination takes all the room, and none is claimed beyond its bound.
TEST_P(Operator, ClaimIsFairAndBounded) {
    std::vector<Task<Result<std::vector<Job>>>> tasks;
    for (int i = 0; i < 300; ++i) tasks.push_back(queue->add(sample({"a@huge.example"}, at(0)), Claiming::later));
    for (int d = 0; d < 5; ++d)
        tasks.push_back(queue->add(sample({"a@small" + std::to_string(d) + ".example"}, at(10)), Claiming::later));
    run_all(std::move(tasks));
    auto jobs = claim(claim_at(at(20), 30, 20));
    std::map<std::string, int> by;
    for (const auto& j : jobs) ++by[j.domain];
    EXPECT_EQ(by.size(), 6U);
    EXPECT_EQ(by["huge.example"], 20);
    EXPECT_TRUE(claim(claim_at(at(20), 30, 20)).empty()); // all small ones are taken, the huge one is full
    auto skip = claim_at(at(20), 30, 200);
    skip.skip = {"huge.example"};
    EXPECT_TRUE(claim(skip).empty());
    EXPECT_EQ(claim(claim_at(at(20), 30, 200)).size(), 30U);
    std::vector<Job> some(jobs.begin(), jobs.begin() + 3);
    ASSERT_TRUE(run(queue->release(some)));
    EXPECT_EQ(claim(claim_at(at(20), 1000, 1000)).size(), 300U + 5U - 25U - 30U + 3U);
}

TEST_P(Operator, TracesAreBounded) {
    queue.reset();
    queue = world->open(10);
    std::vector<std::string> all;
    for (int i = 0; i < 40; ++i) {
        auto m = sample({"a@one.example"}, at(i));
        all.push_back(id_of(m));
        auto jobs = add(m);
        ASSERT_TRUE(record(record_of(id_of(m), {update(0, RecipientState::delivered)}), jobs));
    }
    EXPECT_TRUE(run(queue->trace(all.back())));
    EXPECT_EQ(run(queue->trace(all.front())).error().code, Errc::not_found);
}

} // namespace
} // namespace danelaw::store
