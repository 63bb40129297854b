// The dialogue as a table: SS-002, SS-003, SS-011…SS-013, SS-044, SS-046, SS-061, SS-070…SS-073, SS-080, SS-081.
#include "danelaw/smtp/session_rules.hpp"

#include <gtest/gtest.h>

#include <array>
#include <map>

namespace danelaw::smtp {
namespace {

// The reply code that refuses, 0 when the command is run.
int judged(const SessionFacts& facts, std::string_view line) {
    auto reply = refusal(facts, parse_command(line));
    return reply ? reply->code : 0;
}

// The whole product of states and verbs on a plain listener.
TEST(SessionRules, StateByCommand) {
    const std::array<const char*, 13> lines{"EHLO x", "HELO x", "MAIL x", "RCPT x", "DATA", "BDAT 1", "RSET",
                                            "NOOP",   "VRFY x", "EXPN x", "HELP",   "QUIT", "XYZ"};
    struct Row {
        State state;
        std::array<int, 13> want;
    };
    // clang-format off
    const std::vector<Row> rows{
        //                    EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY EXPN HELP QUIT XYZ
        {State::connected,   {0,   0,   503, 503, 503, 503, 0,   0,   0,   502, 0,   0,   500}},
        {State::greeted,     {0,   0,   0,   503, 503, 503, 0,   0,   0,   502, 0,   0,   500}},
        {State::mail,        {0,   0,   503, 0,   503, 503, 0,   0,   0,   502, 0,   0,   500}},
        {State::refused,     {0,   0,   503, 0,   554, 503, 0,   0,   0,   502, 0,   0,   500}},
        {State::rcpt,        {0,   0,   503, 0,   0,   0,   0,   0,   0,   502, 0,   0,   500}},
        {State::bdat,        {0,   0,   503, 503, 503, 0,   0,   0,   0,   502, 0,   0,   500}},
        {State::bdat_failed, {0,   0,   503, 503, 503, 503, 0,   0,   0,   502, 0,   0,   500}},
    };
    // clang-format on
    for (const auto& row : rows) {
        SessionFacts facts;
        facts.state = row.state;
        for (std::size_t i = 0; i < lines.size(); ++i)
            EXPECT_EQ(judged(facts, lines[i]), row.want[i]) << word(row.state) << ' ' << lines[i];
    }
}

TEST(SessionRules, TlsDemanded) { // SS-073
    SessionFacts facts;
    facts.state = State::greeted;
    facts.tls = Tls::demanded;
    for (const char* line : {"HELO x", "MAIL FROM:<>", "RCPT TO:<a@b>", "DATA", "BDAT 1", "RSET", "VRFY x", "EXPN x",
                             "HELP", "AUTH PLAIN"})
        EXPECT_EQ(judged(facts, line), 530) << line;
    for (const char* line : {"EHLO x", "NOOP", "STARTTLS", "QUIT"}) EXPECT_EQ(judged(facts, line), 0) << line;
    facts.tls = Tls::active;
    EXPECT_EQ(judged(facts, "MAIL FROM:<>"), 0);
}

TEST(SessionRules, Starttls) { // SS-070
    SessionFacts facts;
    facts.state = State::greeted;
    EXPECT_EQ(judged(facts, "STARTTLS"), 502);
    facts.tls = Tls::offered;
    EXPECT_EQ(judged(facts, "STARTTLS"), 0);
    EXPECT_EQ(judged(facts, "STARTTLS x"), 501);
    facts.certificate_ready = false;
    EXPECT_EQ(judged(facts, "STARTTLS"), 454);
    facts.tls = Tls::active;
    EXPECT_EQ(judged(facts, "STARTTLS"), 503);
}

TEST(SessionRules, Authentication) { // SS-080, SS-081
    SessionFacts facts;
    facts.state = State::greeted;
    facts.esmtp = true;
    EXPECT_EQ(judged(facts, "AUTH PLAIN"), 502);
    facts.auth = Auth::offered;
    EXPECT_EQ(judged(facts, "AUTH PLAIN"), 538);
    facts.tls = Tls::active;
    EXPECT_EQ(judged(facts, "AUTH PLAIN"), 0);
    facts.state = State::mail;
    EXPECT_EQ(judged(facts, "AUTH PLAIN"), 503);
    facts.state = State::greeted;
    facts.esmtp = false;
    EXPECT_EQ(judged(facts, "AUTH PLAIN"), 503);
    facts.esmtp = true;
    facts.auth = Auth::demanded;
    EXPECT_EQ(judged(facts, "MAIL FROM:<>"), 530);
    facts.auth = Auth::done;
    EXPECT_EQ(judged(facts, "MAIL FROM:<>"), 0);
    EXPECT_EQ(judged(facts, "AUTH PLAIN"), 503);
}

TEST(SessionRules, Arguments) { // SS-012
    SessionFacts facts;
    facts.state = State::rcpt;
    for (const char* line : {"DATA x", "RSET x", "QUIT x", "VRFY"}) EXPECT_EQ(judged(facts, line), 501) << line;
    facts.body = Body::binary_mime;
    EXPECT_EQ(judged(facts, "DATA"), 503); // SS-046
    EXPECT_EQ(judged(facts, "BDAT 1"), 0);
}

TEST(SessionRules, After) { // SS-003, SS-072
    EXPECT_EQ(after(State::rcpt, Verb::ehlo), State::greeted);
    EXPECT_EQ(after(State::rcpt, Verb::rset), State::greeted);
    EXPECT_EQ(after(State::connected, Verb::rset), State::connected);
    EXPECT_EQ(after(State::mail, Verb::starttls), State::connected);
    EXPECT_EQ(after(State::mail, Verb::rcpt), State::rcpt);
    EXPECT_EQ(after(State::rcpt, Verb::data), State::greeted);
    EXPECT_EQ(after(State::bdat, Verb::noop), State::bdat);
}

} // namespace
} // namespace danelaw::smtp
