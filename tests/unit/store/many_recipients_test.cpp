// Working on one destination of a message costs what this destination costs, however many others the message has
// (DQ-015, DQ-016): counted by the database itself, so that no clock and no other load of the machine has a say.
#include "store/conformance.hpp"

namespace danelaw::store {
namespace {

constexpr std::size_t few = 100, many = 4000;

std::string domain(std::size_t n) {
    return "d" + std::to_string(n) + ".example";
}

NewMessage to_many(std::size_t domains) {
    std::vector<std::string> addresses;
    for (std::size_t n = 0; n < domains; ++n) addresses.push_back("x@" + domain(n));
    return sample(addresses);
}

Filter towards(std::size_t n) {
    Filter f;
    f.domain = domain(n);
    return f;
}

class ManyRecipients : public Conformance {
  protected:
    // What one such piece of work costs beyond opening and closing the queue.
    template <class F> std::int64_t cost(F work) {
        restart();
        queue.reset();
        const auto before = world->effort();
        restart();
        queue.reset();
        const auto opened = world->effort();
        restart();
        work();
        queue.reset();
        const auto worked = world->effort();
        queue = world->open();
        return (worked - opened) - (opened - before);
    }
    // The same work on a message to few and on one to many domains. `work` gets the message's id.
    template <class F> void expect_same(const char* what, F work) {
        std::int64_t costs[2] = {};
        for (const auto domains : {few, many}) {
            world = GetParam().make();
            queue = world->open();
            const auto message = to_many(domains);
            add(message, Claiming::later);
            costs[domains == many] = cost([&] { work(id_of(message)); });
        }
        RecordProperty(std::string(what) + "_few", std::to_string(costs[0]));
        RecordProperty(std::string(what) + "_many", std::to_string(costs[1]));
        EXPECT_LE(costs[1], 3 * costs[0] + 300) << what << ": " << costs[0] << " for " << few << " domains";
    }
    std::vector<Job> claim_one() {
        auto jobs = claim(claim_at(at(100), 1));
        EXPECT_EQ(jobs.size(), 1U);
        return jobs;
    }
};

TEST_P(ManyRecipients, Claim) {
    expect_same("claim", [&](const std::string&) { claim_one(); });
}

TEST_P(ManyRecipients, GiveBack) {
    expect_same("release", [&](const std::string&) { EXPECT_TRUE(run(queue->release(claim_one()))); });
}

TEST_P(ManyRecipients, Load) {
    expect_same("load", [&](const std::string& id) {
        auto one = run(queue->load(id, Numbers{7}));
        ASSERT_TRUE(one) << one.error().detail;
        EXPECT_EQ(one->recipients.at(0).domain, domain(7));
    });
}

TEST_P(ManyRecipients, Outcome) {
    for (const auto state : {RecipientState::queued, RecipientState::held, RecipientState::delivered})
        expect_same("record", [&](const std::string& id) {
            auto jobs = claim_one();
            auto recorded =
                record(record_of(id, {update(jobs.at(0).recipients.at(0), state, at(1000), Reason::timeout)}), jobs);
            ASSERT_TRUE(recorded) << recorded.error().detail;
            EXPECT_FALSE(recorded->removed);
        });
}

TEST_P(ManyRecipients, OutcomeWithANotice) {
    expect_same("notice", [&](const std::string& id) {
        auto jobs = claim_one();
        auto bounced = record_of(id, {update(jobs.at(0).recipients.at(0), RecipientState::bounced)});
        bounced.notices.push_back(sample({"sender@example.org"}));
        EXPECT_TRUE(record(std::move(bounced), jobs));
    });
}

TEST_P(ManyRecipients, Actions) {
    using Action = Queue::Action;
    for (const auto action : {Action::flush, Action::hold, Action::release, Action::remove, Action::bounce})
        expect_same("act", [&](const std::string&) {
            auto acted = run(queue->act(action, towards(7), at(200)));
            ASSERT_TRUE(acted) << acted.error().detail;
            EXPECT_EQ(acted->recipients, 1U);
        });
}

// As a destination that answers again asks for it.
TEST_P(ManyRecipients, ActionOnWhatFailedForAReason) {
    expect_same("recovered", [&](const std::string& id) {
        auto jobs = claim_one();
        auto failed = update(jobs.at(0).recipients.at(0), RecipientState::queued, at(5000), Reason::timeout);
        ASSERT_TRUE(record(record_of(id, {failed}), jobs));
        Filter f;
        f.domain = jobs[0].domain;
        f.reason = word(Reason::timeout);
        auto acted = run(queue->act(Queue::Action::flush, std::move(f), at(200)));
        ASSERT_TRUE(acted) << acted.error().detail;
        EXPECT_EQ(acted->recipients, 1U);
    });
}

// As new mail from memory, after a restart from the database: only they, and a number that is not there is damage.
TEST_P(ManyRecipients, LoadsThoseAskedFor) {
    auto m = to_many(5);
    add(m);
    for (int turn = 0; turn < 2; ++turn) {
        auto some = run(queue->load(id_of(m), Numbers{3, 1}));
        ASSERT_TRUE(some) << some.error().detail;
        EXPECT_EQ(some->envelope.reverse_path, m.message.envelope.reverse_path);
        ASSERT_EQ(some->recipients.size(), 2U);
        EXPECT_EQ(some->recipients[0].address, "x@" + domain(1));
        EXPECT_EQ(some->recipients[1].address, "x@" + domain(3));
        EXPECT_EQ(some->recipient(3), &some->recipients[1]);
        EXPECT_EQ(some->recipient(2), nullptr);
        restart();
    }
    EXPECT_EQ(run(queue->load(id_of(m), Numbers{1, 5})).error().code, Errc::damaged);
}

// DQ-010: whatever closes them, one by one and over a restart, the last one takes the message along, none before it.
TEST_P(ManyRecipients, TheLastOneTakesTheMessageAlong) {
    constexpr std::size_t all = 90;
    const auto m = to_many(all);
    add(m, Claiming::later);
    Filter held = towards(50);
    ASSERT_TRUE(run(queue->act(Queue::Action::hold, held, at(1))));
    for (std::size_t step = 0; step < all; ++step) {
        if (step == all / 2) restart();
        EXPECT_EQ(run(queue->counts())->recipients, all - step);
        const auto n = static_cast<std::uint32_t>(step * 37 % all); // each once
        const bool last = step + 1 == all;
        if (n == 50 || step % 3 == 0) {
            auto acted = run(queue->act(Queue::Action::remove, towards(n), at(2)));
            ASSERT_TRUE(acted) << acted.error().detail;
            EXPECT_EQ(acted->recipients, 1U);
        } else {
            const auto state = step % 3 == 1 ? RecipientState::delivered : RecipientState::bounced;
            auto recorded = record(record_of(id_of(m), {update(n, state)}, {"attempt"}));
            ASSERT_TRUE(recorded) << recorded.error().detail;
            EXPECT_EQ(recorded->removed, last);
        }
        EXPECT_EQ(run(queue->counts())->messages, last ? 0U : 1U);
    }
    auto trace = run(queue->trace(id_of(m)));
    ASSERT_TRUE(trace) << trace.error().detail;
    EXPECT_FALSE(trace->in_queue);
    ASSERT_EQ(trace->message.recipients.size(), all);
    EXPECT_EQ(trace->message.recipients[50].state, RecipientState::deleted);
    for (const auto& r : trace->message.recipients) EXPECT_NE(r.state, RecipientState::queued) << r.number;
    EXPECT_EQ(run(queue->read(id_of(m), 0)).error().code, Errc::not_found);
}

// A job is all that is due of a message in a domain, whether the message or the domain has fewer recipients.
TEST_P(ManyRecipients, AJobIsTheMessagesShareOfADomain) {
    std::vector<std::string> addresses;
    for (std::size_t n = 0; n < 300; ++n) addresses.push_back("u" + std::to_string(n) + "@" + domain(n % 100));
    const auto large = sample(addresses);
    add(large, Claiming::later);
    for (std::size_t n = 0; n < 400; ++n) add(sample({"x@" + domain(1)}), Claiming::later); // more than the message has
    ASSERT_TRUE(record(record_of(id_of(large), {update(107, RecipientState::queued, at(5000), Reason::timeout)})));
    std::size_t seen = 0;
    for (const auto& job : claim(claim_at(at(100), 1000, 1000))) {
        if (job.id != id_of(large)) continue;
        ++seen;
        const auto n = job.recipients.at(0);
        EXPECT_EQ(job.domain, domain(n));
        EXPECT_EQ(job.recipients, n == 7 ? (Numbers{7, 207}) : (Numbers{n, n + 100, n + 200}));
    }
    EXPECT_EQ(seen, 100U);
    for (std::uint32_t n : {1U, 2U}) { // held and queued ones of it, in a large and in a small domain
        ASSERT_TRUE(record(record_of(id_of(large), {update(n, RecipientState::held)})));
        Filter f = towards(n);
        f.ids = {id_of(large)};
        auto acted = run(queue->act(Queue::Action::bounce, std::move(f), at(200)));
        ASSERT_TRUE(acted) << acted.error().detail;
        EXPECT_EQ(acted->concerned, (std::vector<Numbers>{{n, n + 100, n + 200}}));
    }
}

INSTANTIATE_TEST_SUITE_P(Store, ManyRecipients, ::testing::ValuesIn(kinds), kind_name);

} // namespace
} // namespace danelaw::store
