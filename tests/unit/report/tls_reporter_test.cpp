// To whom a day's report goes, once, and what happens when nobody takes it (TR-003, TR-030, TR-040…TR-047, TR-020).
#include "report_support.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/tlsrpt/progress.hpp"

namespace danelaw::report {
namespace {

using message::RecipientState;
const std::string mail_record = "v=TLSRPTv1; rua=mailto:r@a.test";

class Reporter : public testing::Test {
  protected:
    void SetUp() override {
        world.resolver.set("a.test", {mail_record});
        world.count(session("a.test"));
        world.count(session("a.test", "tlsa-invalid"));
        world.run(world.counter->flush());
    }
    // The clock stands at `at`; the reporter looks around once, and is restarted.
    void round(Time at) {
        world.clock.at = at;
        world.run(world.reporter->round());
        restart();
    }
    void restart() {
        world.close();
        world.open();
    }
    std::string state() { return std::string(world.show()[0].at("state").as_string()); }

    World world;
    const Time due = tlsrpt::due("2026-11-25", "a.test");
};

TEST_F(Reporter, GoesOutOnceAtItsTime) { // TR-030, TR-043…TR-046
    round(due - minutes(1));
    EXPECT_TRUE(world.queued().empty());
    round(due);
    auto queued = world.queued();
    ASSERT_EQ(queued.size(), 1u);
    const auto& envelope = queued[0].envelope;
    EXPECT_EQ(envelope.reverse_path, "tls@relay.test");
    EXPECT_EQ(envelope.origin, message::Origin::tls_report); // TR-018, TR-045: delivery knows
    EXPECT_TRUE(envelope.content.tls_required_no);
    EXPECT_EQ(queued[0].recipients[0].address, "r@a.test");
    EXPECT_TRUE(queued[0].recipients[0].notify.never); // no bounces of reports
    EXPECT_EQ(state(), "mailed");
    round(due + minutes(5)); // restarted since: not a second time
    EXPECT_EQ(world.queued().size(), 1u);
    world.record(queued[0], RecipientState::delivered);
    round(due + minutes(10));
    EXPECT_EQ(state(), "sent");
    round(due + hours(20));
    EXPECT_TRUE(world.queued().empty());
}

TEST_F(Reporter, TheRecordOfThatMomentDecides) { // TR-003
    world.resolver.set("a.test", {"v=TLSRPTv1; rua=mailto:new@b.test"});
    round(due);
    ASSERT_EQ(world.queued().size(), 1u);
    EXPECT_EQ(world.queued()[0].recipients[0].address, "new@b.test");
}

TEST_F(Reporter, ARecordThatIsGoneEndsIt) { // TR-003
    world.resolver.set("a.test", {});
    round(due);
    EXPECT_TRUE(world.queued().empty());
    EXPECT_EQ(state(), "unwanted");
}

TEST_F(Reporter, AFailedLookupFallsBackToTheLastOneSeen) { // TR-003
    world.resolver.fail("a.test");
    round(due);
    ASSERT_EQ(world.queued().size(), 1u);
    EXPECT_EQ(world.queued()[0].recipients[0].address, "r@a.test");
}

TEST_F(Reporter, TheNextPlaceWhenOneRefuses) { // TR-040
    world.resolver.set("a.test", {"v=TLSRPTv1; rua=https://nowhere.test/x,mailto:1@a.test,mailto:2@a.test"});
    round(due);
    auto queued = world.queued();
    ASSERT_EQ(queued.size(), 1u); // https failed: it has no address
    EXPECT_EQ(queued[0].recipients[0].address, "1@a.test");
    const auto first = queued[0].envelope.id;
    world.record(queued[0], RecipientState::bounced);
    round(due + minutes(1)); // sees the bounce
    round(due + minutes(2)); // the next place
    queued = world.queued();
    ASSERT_EQ(queued.size(), 1u);
    EXPECT_EQ(queued[0].recipients[0].address, "2@a.test");
    EXPECT_NE(queued[0].envelope.id, first);
}

TEST_F(Reporter, AMailThatHangsDoesNotHoldTheOthersBack) { // TR-040
    world.resolver.set("a.test", {"v=TLSRPTv1; rua=mailto:1@a.test,mailto:2@a.test"});
    round(due);
    ASSERT_EQ(world.queued().size(), 1u);
    round(due + hours(1));
    round(due + hours(1) + minutes(1));
    const auto queued = world.queued();
    ASSERT_EQ(queued.size(), 1u); // the first one was taken back: one report is enough
    EXPECT_EQ(queued[0].recipients[0].address, "2@a.test");
}

TEST_F(Reporter, GivesUpAfterADay) {    // TR-046
    world.settings.tlsrpt.from.clear(); // no mail
    round(due);
    EXPECT_EQ(state(), "waiting");
    round(due + hours(23));
    EXPECT_EQ(state(), "waiting");
    round(due + hours(24));
    EXPECT_EQ(state(), "dropped");
    EXPECT_TRUE(world.queued().empty());
}

TEST_F(Reporter, GivesUpAMailAfterADay) { // TR-046
    round(due);
    ASSERT_EQ(world.queued().size(), 1u);
    round(due + hours(24));
    EXPECT_EQ(state(), "dropped");
    EXPECT_TRUE(world.queued().empty());
}

TEST_F(Reporter, ACrashBetweenIntentAndQueueMakesNeitherTwoNorNone) { // TR-020
    tlsrpt::Progress progress;
    progress.phase = tlsrpt::Phase::mailed;
    progress.first = due;
    progress.to = "mailto:r@a.test";
    progress.message = "0123456789ABCDEF";
    ASSERT_TRUE(world.run(world.queue->put(tables::states, "2026-11-25 a.test", tlsrpt::to_text(progress))));
    round(due);
    round(due + minutes(1));
    const auto queued = world.queued();
    ASSERT_EQ(queued.size(), 1u);
    EXPECT_EQ(queued[0].envelope.id, "0123456789ABCDEF");
}

TEST_F(Reporter, OldDaysAreForgotten) {
    world.resolver.set("a.test", {});
    round(due);
    round(due + hours(24 * 9));
    for (const char* table : {tables::counts, tables::policies, tables::domains, tables::states})
        EXPECT_TRUE(world.run(world.queue->scan(table, "")).value().empty()) << table;
}

TEST_F(Reporter, WithoutContactThePostmasterIsNamed) { // H147 B: never null
    const auto report = world.show()[0].at("report");
    EXPECT_EQ(report.at("contact-info"), "postmaster@relay.test");
    EXPECT_EQ(report.at("organization-name"), "relay.test");
}

TEST_F(Reporter, ByHand) { // TR-047
    EXPECT_EQ(world.run(world.reporter->send("2026-11-25", TlsReporter::Sending::now)).error().code, Errc::parse);
    EXPECT_EQ(world.run(world.reporter->show("yesterday")).error().code, Errc::parse);
    world.clock.at = due;
    const auto rehearsed = world.rehearse();
    EXPECT_TRUE(world.queued().empty());
    const auto sent = world.send();
    ASSERT_EQ(world.queued().size(), 1u);
    EXPECT_EQ(rehearsed[0].at("report"), sent[0].at("report"));
    EXPECT_EQ(rehearsed[0].at("destinations").at(0), "mailto:r@a.test");
    const std::string file(rehearsed[0].at("file_name").as_string());
    EXPECT_NE(std::string(rehearsed[0].at("mail").at(0).as_string()).find(file), std::string::npos);
    (void)world.send(); // once more changes nothing
    EXPECT_EQ(world.queued().size(), 1u);
}

TEST_F(Reporter, WithoutAKeyNoMail) { // TR-044
    world.keys = nullptr;
    round(due);
    EXPECT_TRUE(world.queued().empty());
    EXPECT_NE(std::string(world.show()[0].at("text").as_string()).find("tlsrpt.dkim"), std::string::npos);
}

} // namespace
} // namespace danelaw::report
