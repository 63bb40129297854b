// Accepting, claiming, recording: the life of a message (DQ-001 … DQ-010).
#include "store/conformance.hpp"

#include <algorithm>
#include <set>

namespace danelaw::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Stores, Conformance, ::testing::ValuesIn(kinds), kind_name);

TEST_P(Conformance, EmptyQueueHasNothing) {
    EXPECT_TRUE(claim(claim_at(at(0))).empty());
    EXPECT_EQ(*run(queue->next_due()), Time::max());
    EXPECT_EQ(run(queue->load("0000000000000000")).error().code, Errc::not_found);
    EXPECT_EQ(run(queue->trace("0000000000000000")).error().code, Errc::not_found);
    EXPECT_EQ(run(queue->read("0000000000000000", 0)).error().code, Errc::not_found);
    auto counts = run(queue->counts());
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->messages, 0U);
    EXPECT_FALSE(counts->oldest);
}

// DQ-001, DQ-011: everything that was said about the message is there after a restart.
TEST_P(Conformance, MessageSurvivesRestartWhole) {
    auto m = sample({"a@example.com", "jörg@müller.example"}, at(5), std::string("H: \xff\0v\r\n\r\nb\r\n", 12));
    auto& e = m.message.envelope;
    e.reverse_path = "sünder@example.org";
    e.body = message::Body::binary_mime;
    e.smtputf8 = e.requiretls = true;
    e.ret = message::Ret::headers;
    e.envid = "QQ+2B314";
    e.auth = "<>";
    e.origin = message::Origin::delivery_report;
    e.client = {IpAddress::parse("2001:db8::1"), "helo", "user", "ESMTPSA", "TLSv1.3 X"};
    e.content.header_size = 7;
    e.content.eight_bit_header = e.content.tls_required_no = e.content.bare_line_ends = true;
    e.content.received_count = 3;
    auto& r = m.message.recipients[1];
    r.orcpt = "utf-8;x";
    r.notify.success = r.notify.delay = true;
    r.attempts = 4;
    r.delay_notified = true;
    r.last = message::Outcome{Verdict::deferred, Reason::tlsa_invalid, "mx", Level::dane_ta, 451,
                              "4.7.5",           "w\xc3\xb6rds",       true};
    add(m);
    for (int round = 0; round < 2; ++round) {
        auto got = run(queue->load(e.id));
        ASSERT_TRUE(got) << got.error().detail;
        const auto& g = got->envelope;
        EXPECT_EQ(g.id, e.id);
        EXPECT_EQ(g.reverse_path, e.reverse_path);
        EXPECT_EQ(g.body, e.body);
        EXPECT_TRUE(g.smtputf8 && g.requiretls);
        EXPECT_EQ(g.ret, e.ret);
        EXPECT_EQ(g.envid, e.envid);
        EXPECT_EQ(g.auth, "<>");
        EXPECT_EQ(g.origin, e.origin);
        EXPECT_EQ(g.received_at, at(5));
        EXPECT_EQ(g.client.address, e.client.address);
        EXPECT_EQ(g.client.user + g.client.protocol + g.client.tls + g.client.helo, "userESMTPSATLSv1.3 Xhelo");
        EXPECT_EQ(g.content.size, 12U);
        EXPECT_EQ(g.content.header_size, 7U);
        EXPECT_TRUE(g.content.eight_bit_header && g.content.tls_required_no && g.content.bare_line_ends);
        EXPECT_FALSE(g.content.eight_bit_body || g.content.binary || g.content.signed_content);
        EXPECT_EQ(g.content.received_count, 3);
        ASSERT_EQ(got->recipients.size(), 2U);
        EXPECT_EQ(got->recipients[0].address, "a@example.com");
        EXPECT_FALSE(got->recipients[0].last);
        const auto& got_r = got->recipients[1];
        EXPECT_EQ(got_r.address, "jörg@müller.example");
        EXPECT_EQ(got_r.orcpt, "utf-8;x");
        EXPECT_EQ(got_r.notify, r.notify);
        EXPECT_EQ(got_r.attempts, 4U);
        EXPECT_TRUE(got_r.delay_notified);
        ASSERT_TRUE(got_r.last);
        EXPECT_EQ(got_r.last->reason, Reason::tlsa_invalid);
        EXPECT_EQ(got_r.last->tls_level, Level::dane_ta);
        EXPECT_EQ(got_r.last->code, 451);
        EXPECT_EQ(got_r.last->text, "w\xc3\xb6rds");
        EXPECT_TRUE(got_r.last->dsn_passed_on);
        EXPECT_EQ(content(e.id), m.content);
        restart();
    }
}

TEST_P(Conformance, LargeContentIsAppendedInPieces) {
    auto m = sample({"a@example.com"}, at(0), "");
    std::string whole;
    for (std::uint32_t n = 0; n < 5; ++n) {
        std::string piece(n == 4 ? 100 : limits::chunk, static_cast<char>('a' + n));
        whole += piece;
        ASSERT_TRUE(run(queue->append(id_of(m), n, piece)));
    }
    EXPECT_EQ(run(queue->load(id_of(m))).error().code, Errc::not_found); // not part of the queue yet
    m.message.envelope.content.size = whole.size();
    add(m);
    EXPECT_EQ(content(id_of(m)), whole);
    restart();
    EXPECT_EQ(content(id_of(m)), whole);
}

TEST_P(Conformance, AddRefusesContentWithAHole) {
    auto m = sample({"a@example.com"}, at(0), "");
    ASSERT_TRUE(run(queue->append(id_of(m), 0, std::string(limits::chunk, 'x'))));
    ASSERT_TRUE(run(queue->append(id_of(m), 2, "tail")));
    EXPECT_EQ(run(queue->add(m)).error().code, Errc::limit);
}

TEST_P(Conformance, DiscardedPiecesLeaveNothing) {
    auto m = sample({"a@example.com"}, at(0), "");
    ASSERT_TRUE(run(queue->append(id_of(m), 0, "lost")));
    run(queue->discard(id_of(m)));
    m.content = "fresh";
    add(m);
    EXPECT_EQ(content(id_of(m)), "fresh");
}

TEST_P(Conformance, AnIdIsTakenOnce) {
    auto m = sample({"a@example.com"});
    add(m);
    EXPECT_EQ(run(queue->add(m)).error().code, Errc::limit);
    EXPECT_EQ(run(queue->counts())->messages, 1U);
}

// One bad operation of a batch doesn't take the others with it.
TEST_P(Conformance, BatchOutlivesABadOperation) {
    auto twice = sample({"a@example.com"});
    std::vector<Task<Result<std::vector<Job>>>> tasks;
    std::vector<std::string> ids;
    for (int i = 0; i < 20; ++i) {
        auto m = sample({"b@example.com"});
        ids.push_back(id_of(m));
        tasks.push_back(queue->add(m));
        tasks.push_back(queue->add(twice));
    }
    int good = 0;
    for (const auto& r : run_all(std::move(tasks))) good += r ? 1 : 0;
    EXPECT_EQ(good, 21);
    for (const auto& id : ids) EXPECT_TRUE(run(queue->load(id)));
}

TEST_P(Conformance, NewMailIsClaimedAsJobsByDomain) {
    auto jobs = add(sample({"a@one.example", "b@two.example", "c@one.example"}));
    ASSERT_EQ(jobs.size(), 2U);
    EXPECT_EQ(jobs[0].domain, "one.example");
    EXPECT_EQ(jobs[0].recipients, (std::vector<std::uint32_t>{0, 2}));
    EXPECT_EQ(jobs[1].recipients, (std::vector<std::uint32_t>{1}));
    EXPECT_EQ(jobs[0].reverse_path, "sender@example.org");
    EXPECT_EQ(jobs[0].size, 20U);
    EXPECT_TRUE(claim(claim_at(at(100))).empty()); // DQ-006: not twice
    EXPECT_EQ(*run(queue->next_due()), Time::max());
}

TEST_P(Conformance, ClaimingLaterLeavesThemToClaim) {
    EXPECT_TRUE(add(sample({"a@one.example", "b@one.example"}, at(3)), Claiming::later).empty());
    EXPECT_EQ(*run(queue->next_due()), at(3));
    EXPECT_TRUE(claim(claim_at(at(2))).empty());
    auto jobs = claim(claim_at(at(3)));
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(jobs[0].recipients.size(), 2U);
    EXPECT_EQ(jobs[0].due, at(3));
}

TEST_P(Conformance, HeldMailIsNeitherClaimedNorDue) {
    auto m = sample({"a@one.example"});
    m.message.recipients[0].state = RecipientState::held;
    EXPECT_TRUE(add(m).empty());
    EXPECT_TRUE(claim(claim_at(at(1000))).empty());
    EXPECT_EQ(*run(queue->next_due()), Time::max());
    EXPECT_EQ(run(queue->counts())->held, 1U);
}

TEST_P(Conformance, ReleasedJobsAreDueAgain) {
    auto jobs = add(sample({"a@one.example"}));
    ASSERT_TRUE(run(queue->release(jobs)));
    EXPECT_EQ(*run(queue->next_due()), at(0));
    EXPECT_EQ(claim(claim_at(at(0))).size(), 1U);
}

TEST_P(Conformance, DeferredIsDueAtItsTime) {
    auto m = sample({"a@one.example"});
    auto jobs = add(m);
    auto done =
        record(record_of(id_of(m), {update(0, RecipientState::queued, at(60), Reason::timeout)}, {"{\"n\":1}"}), jobs);
    ASSERT_TRUE(done) << done.error().detail;
    EXPECT_FALSE(done->removed);
    EXPECT_EQ(*run(queue->next_due()), at(60));
    EXPECT_TRUE(claim(claim_at(at(59))).empty());
    auto again = claim(claim_at(at(60)));
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0].attempts, 1U);
    auto got = run(queue->load(id_of(m)));
    ASSERT_TRUE(got);
    EXPECT_EQ(got->recipients[0].attempts, 1U);
    EXPECT_EQ(got->recipients[0].last->reason, Reason::timeout);
    EXPECT_EQ(content(id_of(m)), m.content);
}

// DQ-010: content goes, the trace stays.
TEST_P(Conformance, DeliveredMessageLeavesItsTrace) {
    auto m = sample({"a@one.example", "b@two.example"});
    auto jobs = add(m);
    auto first = record(record_of(id_of(m), {update(0, RecipientState::delivered)}, {"one"}), jobs);
    ASSERT_TRUE(first);
    EXPECT_FALSE(first->removed);
    EXPECT_EQ(run(queue->trace(id_of(m)))->in_queue, true);
    auto second = record(
        record_of(id_of(m), {update(1, RecipientState::bounced, at(0), Reason::smtp_reply)}, {"two", "three"}), jobs);
    ASSERT_TRUE(second);
    EXPECT_TRUE(second->removed);
    EXPECT_EQ(run(queue->load(id_of(m))).error().code, Errc::not_found);
    EXPECT_EQ(run(queue->read(id_of(m), 0)).error().code, Errc::not_found);
    EXPECT_EQ(run(queue->counts())->messages, 0U);
    EXPECT_EQ(run(queue->counts())->destinations, 0U);
    restart();
    auto trace = run(queue->trace(id_of(m)));
    ASSERT_TRUE(trace) << trace.error().detail;
    EXPECT_FALSE(trace->in_queue);
    EXPECT_EQ(trace->attempts, (std::vector<std::string>{"one", "two", "three"}));
    ASSERT_EQ(trace->message.recipients.size(), 2U);
    EXPECT_EQ(trace->message.recipients[0].state, RecipientState::delivered);
    EXPECT_EQ(trace->message.recipients[1].state, RecipientState::bounced);
    EXPECT_EQ(trace->message.recipients[1].last->reason, Reason::smtp_reply);
    EXPECT_EQ(trace->message.envelope.client.helo, "client.example.org");
}

// DQ-004: a recipient is closed and its notice queued in one step; the notice is due at once.
TEST_P(Conformance, NoticesAreAddedWithTheOutcome) {
    auto m = sample({"a@one.example"});
    auto jobs = add(m);
    auto r = record_of(id_of(m), {update(0, RecipientState::bounced, at(0), Reason::smtp_reply)});
    r.notices.push_back(sample({"sender@example.org"}, at(1), "DSN"));
    auto notice = id_of(r.notices[0]);
    int woken = 0;
    queue->on_due([&woken] { ++woken; });
    ASSERT_TRUE(record(r, jobs)->removed);
    EXPECT_EQ(woken, 1);
    auto other = r;
    other.updates[0].outcome->text = "said otherwise";
    EXPECT_EQ(record(other, jobs).error().code, Errc::stale); // exactly one DSN
    EXPECT_EQ(run(queue->counts())->messages, 1U);
    auto due = claim(claim_at(at(1)));
    ASSERT_EQ(due.size(), 1U);
    EXPECT_EQ(due[0].id, notice);
    EXPECT_EQ(content(notice), "DSN");
}

TEST_P(Conformance, ClosedRecipientsAreStale) {
    auto m = sample({"a@one.example", "b@one.example"});
    auto jobs = add(m);
    ASSERT_TRUE(record(record_of(id_of(m), {update(0, RecipientState::delivered)}), jobs));
    EXPECT_EQ(record(record_of(id_of(m), {update(0, RecipientState::queued, at(9))}), jobs).error().code, Errc::stale);
    auto both = record(
        record_of(id_of(m), {update(0, RecipientState::queued, at(9)), update(1, RecipientState::delivered)}), jobs);
    ASSERT_TRUE(both);
    EXPECT_EQ(both->stale, (std::vector<std::uint32_t>{0}));
    EXPECT_TRUE(both->removed);
    EXPECT_EQ(record(record_of(id_of(m), {update(1, RecipientState::bounced)}), jobs).error().code, Errc::stale);
}

TEST_P(Conformance, ClaimsEndWithTheProcess) {
    auto m = sample({"a@one.example"});
    add(m);
    restart();
    EXPECT_EQ(claim(claim_at(at(0))).size(), 1U);
}

TEST_P(Conformance, KeyValuesSurviveAndSum) {
    ASSERT_TRUE(run(queue->put("sts", "example.com", "policy")));
    ASSERT_TRUE(run(queue->put("sts", "example.org", "other")));
    ASSERT_TRUE(run(queue->put("stt", "example.com", "elsewhere")));
    std::vector<std::pair<std::string, std::int64_t>> counts{{"day|a", 2}, {"day|b", 1}};
    ASSERT_TRUE(run(queue->add_counts("tlsrpt", counts)));
    ASSERT_TRUE(run(queue->add_counts("tlsrpt", counts)));
    restart();
    EXPECT_EQ(*run(queue->get("sts", "example.com")), "policy");
    EXPECT_EQ(*run(queue->get("sts", "none")), std::nullopt);
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    EXPECT_EQ(*run(queue->scan("tlsrpt", "day|")), (Pairs{{"day|a", "4"}, {"day|b", "2"}}));
    EXPECT_EQ(*run(queue->scan("sts", "example.")), (Pairs{{"example.com", "policy"}, {"example.org", "other"}}));
    ASSERT_TRUE(run(queue->put("sts", "example.com", "")));
    EXPECT_EQ(*run(queue->get("sts", "example.com")), std::nullopt);
}

TEST_P(Conformance, StopRefusesWhatComesAfter) {
    auto m = sample({"a@one.example"});
    queue->stop();
    EXPECT_EQ(run(queue->add(m)).error().code, Errc::unavailable);
    EXPECT_EQ(run(queue->load(id_of(m))).error().code, Errc::unavailable);
}

} // namespace
} // namespace danelaw::store
