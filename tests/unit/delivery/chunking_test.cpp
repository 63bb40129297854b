// Content by BDAT: what goes out, what a refusal means, and that nothing half is ever ended. SC-051, SC-075, SC-076.
#include "delivery/one_transaction.hpp"

#include "danelaw/base/limits.hpp"

#include <gtest/gtest.h>

namespace danelaw::delivery {
namespace {

using policy::ChunkingDoubt;
using test::Case;
using test::Fault;
using test::play;
using test::Script;

const std::string pipelined = "250-mx.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 SIZE 10000000";
const std::string stepwise = "250-mx.example\r\n250-CHUNKING\r\n250 BINARYMIME";
const std::string one_chunk = "Subject: x\r\n\r\n.dot\r\n";

std::string content_of(std::size_t chunks) {
    std::string out = "Subject: x\r\n\r\n";
    while (out.size() < (chunks - 1) * limits::chunk + 10) out += "....\r\n";
    return out;
}

// `answers`: one a chunk.
Case dialogue(const std::string& ehlo, const std::vector<std::string>& rcpt, const std::vector<std::string>& answers) {
    Script script{{"", "220 mx.example"}, {"EHLO", ehlo}, {"MAIL FROM:<a@client.example>", "250 ok"}};
    for (const auto& reply : rcpt) script.push_back({"RCPT TO:<", reply});
    for (const auto& answer : answers) script.push_back({"BDAT ", answer});
    Case out{script, rcpt.size()};
    if (answers.size() > 1) out.content = content_of(answers.size());
    return out;
}

TEST(Chunking, ContentAsItIs) { // SC-075: exact counts, no stuffing, one LAST
    const auto run = play(dialogue(stepwise, {"250 ok"}, {"250 2.0.0 taken"}));
    EXPECT_EQ(run.of(0), Verdict::delivered);
    EXPECT_EQ(run.result.recipients[0].text, "250 2.0.0 taken");
    EXPECT_EQ(run.seen.content, one_chunk);
    EXPECT_EQ(run.seen.unexpected, "");
    ASSERT_EQ(run.seen.commands.size(), 5u);
    EXPECT_EQ(run.seen.commands[3], "BDAT 20 LAST");
    EXPECT_TRUE(run.result.channel_usable);
}

TEST(Chunking, AReplyTooManyIsNoAnswerToTheContent) { // SC-058: with DATA, 354 would tell them apart
    const std::string twice = "250 ok\r\n250 ok";
    for (const auto& c :
         {dialogue(stepwise, {twice}, {"554 5.7.1 no"}), dialogue(pipelined, {twice}, {"250 chunk", "554 5.7.1 no"})}) {
        const auto run = play(c);
        EXPECT_EQ(run.of(0), Verdict::deferred);
        EXPECT_EQ(run.seen.content, "");
        EXPECT_FALSE(run.result.possible_duplicate);
        EXPECT_FALSE(run.result.channel_usable);
    }
}

TEST(Chunking, ManyChunks) { // SC-053, SC-075: more than are ever in flight
    const auto c = dialogue(pipelined, {"250 ok"}, std::vector<std::string>(70, "250 chunk"));
    const auto run = play(c);
    EXPECT_EQ(run.of(0), Verdict::delivered);
    EXPECT_EQ(run.seen.content, c.content);
    EXPECT_EQ(run.seen.unexpected, "");
    for (std::size_t n = 3; n < 72; ++n) EXPECT_EQ(run.seen.commands[n], "BDAT 65536") << n;
    EXPECT_TRUE(run.seen.commands[72].ends_with(" LAST"));
}

TEST(Chunking, BinaryOctetsAreSacred) { // SC-076
    for (const auto& ehlo : {pipelined, stepwise}) {
        auto c = dialogue(ehlo, {"250 ok"}, {"250 chunk", "250 taken"});
        c.binary = true;
        c.content = std::string("a: b\r\n\r\n\n\r\0.\r\n.", 15) + std::string(limits::chunk, '\r');
        c.script[2].expect = "MAIL FROM:<a@client.example> ";
        const auto run = play(c);
        EXPECT_EQ(run.of(0), Verdict::delivered);
        EXPECT_EQ(run.seen.content, c.content);
        EXPECT_EQ(run.seen.unexpected, "");
        EXPECT_NE(run.seen.commands[1].find("BODY=BINARYMIME"), std::string::npos);
    }
}

TEST(Chunking, NothingIsSentWhereNobodyIsTaken) { // SC-052, SC-059
    for (const auto& ehlo : {pipelined, stepwise}) {
        auto c = dialogue(ehlo, {"550 5.1.1 no", "450 4.2.0 later"}, {});
        if (ehlo == pipelined) c.content = content_of(2);
        c.script.push_back({"RSET", "250 ok"});
        const auto run = play(c);
        EXPECT_EQ(run.of(0), Verdict::bounced);
        EXPECT_EQ(run.of(1), Verdict::deferred);
        EXPECT_EQ(run.seen.unexpected, "");
        EXPECT_TRUE(run.result.channel_usable);
    }
}

TEST(Chunking, ARefusedChunkDecides) { // SC-054, SC-059, SC-075: no more chunks, RSET
    const struct {
        const char* answer;
        Verdict want;
        const char* enhanced;
    } rows[] = {
        {"552 5.3.4 too large", Verdict::bounced, "5.3.4"},
        {"554 5.6.0 no", Verdict::bounced, "5.6.0"},
        {"452 4.3.1 full", Verdict::deferred, "4.3.1"},
        {"354 odd", Verdict::deferred, "4.0.0"},
    };
    for (const auto& row : rows) {
        for (const std::size_t refused : {0u, 1u, 2u}) {
            std::vector<std::string> answers(refused, "250 chunk");
            answers.emplace_back(row.answer);
            const auto sent = answers.size();
            answers.resize(3, "250 chunk");
            auto c = dialogue(stepwise, {"550 5.1.1 no", "250 ok"}, answers);
            c.binary = true; // in chunks though each waits for its reply
            c.script.resize(5 + sent);
            c.script.push_back({"RSET", "250 ok"});
            const auto run = play(c);
            const auto where = std::string(row.answer) + " to chunk " + std::to_string(refused);
            EXPECT_EQ(run.of(0), Verdict::bounced) << where;
            EXPECT_EQ(run.of(1), row.want) << where;
            EXPECT_EQ(run.result.recipients[1].enhanced, row.enhanced) << where;
            EXPECT_EQ(run.seen.unexpected, "") << where;
            EXPECT_TRUE(run.result.channel_usable) << where;
            EXPECT_FALSE(run.result.possible_duplicate) << where;
            EXPECT_FALSE(run.result.chunking_doubt) << where;
        }
    }
}

// Chunks in flight when one is refused are answered too, and a yes to the last of them is no yes to the message.
TEST(Chunking, ARefusalIsNotMadeGoodByALaterYes) {
    auto c = dialogue(pipelined, {"250 ok"}, {"552 5.3.4 too large", "250 chunk", "250 taken"});
    c.script[4].answer.clear(); // said together with the next
    c.script[5].answer = "552 5.3.4 too large\r\n250 chunk";
    c.script.push_back({"RSET", "250 ok"});
    const auto run = play(c);
    EXPECT_EQ(run.of(0), Verdict::bounced);
    EXPECT_EQ(run.seen.unexpected, "");
    EXPECT_TRUE(run.result.channel_usable);
}

TEST(Chunking, AServerThatKnowsNoBdatIsOfferedNothingMore) { // SC-075: its content may have been read as commands
    for (const auto* reply : {"500 5.5.1 what", "502 5.5.1 not here", "503 5.5.1 sequence"}) {
        for (const auto& ehlo : {pipelined, stepwise}) {
            const std::vector<std::string> answers(ehlo == pipelined ? 2 : 1, reply);
            const auto run = play(dialogue(ehlo, {"550 5.1.1 no", "250 ok"}, answers));
            EXPECT_EQ(run.of(0), Verdict::bounced) << reply;
            EXPECT_EQ(run.of(1), Verdict::deferred) << reply;
            EXPECT_TRUE(run.result.recipients[1].next_host_may_try) << reply;
            EXPECT_EQ(run.result.chunking_doubt, ChunkingDoubt::refused) << reply;
            EXPECT_FALSE(run.result.channel_usable) << reply;
            EXPECT_FALSE(run.result.possible_duplicate) << reply;
            EXPECT_TRUE(run.seen.commands.back().starts_with("BDAT ")) << reply; // neither RSET nor QUIT
        }
    }
}

TEST(Chunking, NeverEndsAMessageThatIsNotWhole) { // DQ-011
    for (const std::size_t chunks : {1u, 3u}) {
        for (const bool damaged : {true, false}) {
            auto c =
                dialogue(chunks == 1 ? stepwise : pipelined, {"250 ok"}, std::vector<std::string>(chunks, "250 chunk"));
            c.damaged = damaged;
            c.missing = damaged ? 0 : 1;
            const auto run = play(c);
            EXPECT_EQ(run.of(0), Verdict::deferred);
            EXPECT_NE(run.result.recipients[0].text.find("can't be read"), std::string::npos);
            EXPECT_FALSE(run.result.channel_usable);
            EXPECT_FALSE(run.result.possible_duplicate);
            EXPECT_FALSE(run.result.chunking_doubt); // our own fault
            for (const auto& command : run.seen.commands) EXPECT_FALSE(command.ends_with("LAST")) << command;
        }
    }
}

TEST(Chunking, EveryStepMayFail) { // H108, SC-031, SC-032, SC-058
    for (const auto& ehlo : {pipelined, stepwise}) {
        auto c = dialogue(ehlo, {"250 ok", "250 ok"}, {"250 chunk", "250 chunk", "250 taken"});
        c.binary = ehlo == stepwise;
        const std::size_t first_chunk = 5, last = c.script.size() - 1;
        for (std::size_t step = 2; step <= last; ++step) {
            for (const auto fault : {Fault::close, Fault::reply_421, Fault::garbage}) {
                const auto run = play(c, step, fault);
                const auto where =
                    ehlo + " step " + std::to_string(step) + " fault " + std::to_string(static_cast<int>(fault));
                ASSERT_FALSE(run.no_channel) << where;
                EXPECT_FALSE(run.any(Verdict::delivered)) << where;
                EXPECT_FALSE(run.any(Verdict::bounced)) << where;
                EXPECT_FALSE(run.result.channel_usable) << where;
                const bool unknown = step == last && fault != Fault::reply_421;
                if (unknown) EXPECT_TRUE(run.result.possible_duplicate) << where; // D-22
                if (fault == Fault::reply_421 || step < first_chunk)
                    EXPECT_FALSE(run.result.possible_duplicate) << where;
                const bool silent = step >= first_chunk && fault != Fault::reply_421;
                EXPECT_EQ(run.result.chunking_doubt.has_value(), silent) << where;
            }
        }
    }
}

} // namespace
} // namespace danelaw::delivery
