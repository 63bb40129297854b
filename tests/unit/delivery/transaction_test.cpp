// Transactions against a scripted server, each script rerun failing at every step.
#include "delivery/one_transaction.hpp"

#include <gtest/gtest.h>

namespace danelaw::delivery {
namespace {

using test::Case;
using test::Fault;
using test::play;
using test::Script;

const std::string greeting = "220 mx.example ESMTP";
const std::string pipelining = "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000";
const std::string plain = "250 mx.example";

Script with_replies(const std::string& ehlo, const std::vector<std::string>& rcpt, const std::string& mail,
                    const std::string& data, const std::string& end) {
    Script out{{"", greeting}, {"EHLO relay.example", ehlo}, {"MAIL FROM:<a@client.example>", mail}};
    for (const auto& reply : rcpt) out.push_back({"RCPT TO:<", reply});
    out.push_back({"DATA", data});
    out.push_back({"DATA-END", end});
    return out;
}

TEST(Transaction, DeliversWithDotsDoubledAndBack) { // SC-037, SC-050
    const auto run = play({with_replies(pipelining, {"250 ok"}, "250 ok", "354 go", "250 2.0.0 taken")});
    EXPECT_EQ(run.of(0), Verdict::delivered);
    EXPECT_EQ(run.seen.content, "Subject: x\r\n\r\n.dot\r\n");
    EXPECT_EQ(run.seen.unexpected, "");
    EXPECT_EQ(run.seen.commands.back(), "QUIT");
}

TEST(Transaction, NeverEndsAMessageThatIsNotWhole) { // DQ-011: its last piece is gone from the store
    Case c{with_replies(pipelining, {"250 ok"}, "250 ok", "354 go", "250 2.0.0 taken")};
    c.missing = 1;
    const auto run = play(c);
    EXPECT_EQ(run.of(0), Verdict::deferred);
    EXPECT_NE(run.result.recipients.at(0).text.find("can't be read"), std::string::npos);
    EXPECT_FALSE(run.result.channel_usable);
    EXPECT_FALSE(run.result.possible_duplicate);
}

struct FateRow {
    const char* name;
    const char* mail;
    std::vector<std::string> rcpt;
    const char* data;
    const char* end; // "" when content must not come
    std::vector<Verdict> want;
    std::vector<std::string> enhanced;
};

constexpr auto D = Verdict::delivered, F = Verdict::deferred, B = Verdict::bounced;

const FateRow fates[] = {
    // H109, SC-054: each recipient has its own fate
    {"four fates",
     "250 ok",
     {"250 ok", "550 5.1.1 no", "450 4.2.0 later", "251 ok"},
     "354 go",
     "250 ok",
     {D, B, F, D},
     {"2.0.0", "5.1.1", "4.2.0", "2.0.0"}},
    {"552 at RCPT is 452 (D-37)",
     "250 ok",
     {"250 ok", "552 5.2.2 too many"},
     "354 go",
     "250 ok",
     {D, F},
     {"2.0.0", "4.2.2"}},
    {"551 is a refusal", "250 ok", {"551 5.1.6 moved"}, "503 5.5.1 no", "", {B}, {"5.1.6"}},
    {"MAIL 4yz defers all (SC-056)", "451 4.7.1 later", {"503 no", "503 no"}, "503 no", "", {F, F}, {"4.7.1", "4.7.1"}},
    {"MAIL 5yz bounces all (SC-056)", "550 no code", {"503 no"}, "503 no", "", {B}, {"5.0.0"}},
    {"DATA 4yz", "250 ok", {"250 ok"}, "451 4.3.0 later", "", {F}, {"4.3.0"}},
    {"DATA 5yz", "250 ok", {"250 ok"}, "554 5.7.1 no", "", {B}, {"5.7.1"}},
    {"dot 554 (H133)", "250 ok", {"250 ok"}, "354 go", "554 5.7.1 spam", {B}, {"5.7.1"}},
    {"dot 451", "250 ok", {"250 ok", "550 5.1.1 no"}, "354 go", "451 later", {F, B}, {"4.0.0", "5.1.1"}},
    {"an enhanced code of the wrong class does not count (SC-030)",
     "250 ok",
     {"550 4.1.1 no"},
     "503 no",
     "",
     {B},
     {"5.0.0"}},
    {"a success word where a refusal was due is none: 2yz to DATA",
     "250 ok",
     {"250 ok"},
     "250 what",
     "",
     {F},
     {"4.0.0"}},
};

TEST(Transaction, EachRecipientHasItsOwnFate) {
    for (const auto& ehlo : {pipelining, plain}) {
        for (const auto& row : fates) {
            auto script = with_replies(ehlo, row.rcpt, row.mail, row.data, row.end);
            if (std::string(row.end).empty()) script.pop_back();
            if (ehlo == plain) { // strictly one by one: what is pointless is not sent (H120)
                if (row.mail[0] != '2')
                    script.resize(3);
                else if (std::string(row.data).starts_with("503"))
                    script.pop_back();
            }
            if (std::string(row.end).empty() || row.end[0] != '2') script.push_back({"RSET", "250 ok"}); // SC-059
            const auto run = play({script, row.rcpt.size()});
            ASSERT_EQ(run.result.recipients.size(), row.want.size()) << row.name;
            for (std::size_t n = 0; n < row.want.size(); ++n) {
                EXPECT_EQ(word(run.of(n)), word(row.want[n])) << row.name << " #" << n;
                EXPECT_EQ(run.result.recipients[n].enhanced, row.enhanced[n]) << row.name << " #" << n;
            }
            EXPECT_EQ(run.seen.unexpected, "") << row.name;
        }
    }
}

TEST(Transaction, DataAcceptedThoughNobodyWas) { // SC-052: the dot alone, nobody delivered
    auto script =
        with_replies(pipelining, {"550 5.1.1 no", "550 5.1.1 no", "550 5.1.1 no"}, "250 ok", "354 go", "250 ok");
    const auto run = play({script, 3});
    for (std::size_t n = 0; n < 3; ++n) EXPECT_EQ(run.of(n), Verdict::bounced);
    EXPECT_EQ(run.seen.content, "");
}

TEST(Transaction, AWordBeforeTheDotAcceptsNothing) { // SC-058: a reply too many must not be taken for the answer
    const auto stray = play({with_replies(pipelining, {"250 ok"}, "250 ok", "354 go\r\n250 2.0.0 ok", "554 5.7.1 no")});
    EXPECT_EQ(stray.of(0), Verdict::deferred);
    EXPECT_FALSE(stray.result.channel_usable);
    EXPECT_FALSE(stray.result.possible_duplicate);
    const auto full = play({with_replies(pipelining, {"250 ok"}, "250 ok", "354 go\r\n552 5.3.4 too large", "250 ok")});
    EXPECT_EQ(full.of(0), Verdict::bounced);
    EXPECT_EQ(full.result.recipients[0].enhanced, "5.3.4");
    EXPECT_FALSE(full.result.channel_usable); // in the midst of the content
}

TEST(Transaction, MailRefusedYetTheRestAccepted) { // SC-052: MAIL 550 yet RCPT 250 and DATA 354
    auto script = with_replies(pipelining, {"250 ok"}, "550 5.7.1 no", "354 go", "250 ok");
    const auto run = play({script});
    EXPECT_EQ(run.of(0), Verdict::bounced);
    EXPECT_EQ(run.seen.content, "");
}

TEST(Transaction, EveryStepMayFail) { // H108, SC-031, SC-032: temporary, nothing bounced, nothing taken for delivered
    const Case good{with_replies(pipelining, {"250 ok", "250 ok", "250 ok"}, "250 ok", "354 go", "250 ok"), 3};
    const Case stepwise{with_replies(plain, {"250 ok", "250 ok", "250 ok"}, "250 ok", "354 go", "250 ok"), 3};
    for (const auto& c : {good, stepwise}) {
        for (std::size_t step = 0; step < c.script.size(); ++step) {
            for (const auto fault : {Fault::close, Fault::reply_421, Fault::garbage}) {
                const auto run = play(c, step, fault);
                const auto where = "step " + std::to_string(step) + " fault " + std::to_string(static_cast<int>(fault));
                if (step < 2) {
                    ASSERT_TRUE(run.no_channel) << where;
                    for (const auto& command : run.seen.commands) EXPECT_FALSE(command.starts_with("HELO")) << where;
                    continue;
                }
                ASSERT_FALSE(run.no_channel) << where;
                EXPECT_FALSE(run.any(Verdict::delivered)) << where;
                EXPECT_FALSE(run.any(Verdict::bounced)) << where;
                EXPECT_FALSE(run.result.channel_usable) << where;
                const bool after_dot = step + 1 == c.script.size() && fault != Fault::reply_421;
                EXPECT_EQ(run.result.possible_duplicate, after_dot) << where; // D-22
            }
        }
    }
}

TEST(Transaction, RefusedRecipientsStayRefusedWhenTheSessionEnds) { // H108
    auto script = with_replies(pipelining, {"550 5.1.1 no", "250 ok"}, "250 ok", "354 go", "250 ok");
    const auto run = play({script, 2}, 4, Fault::reply_421);
    EXPECT_EQ(run.of(0), Verdict::bounced);
    EXPECT_EQ(run.of(1), Verdict::deferred);
}

TEST(Transaction, TooManyRecipientsWaitForTheNextTransaction) { // SC-055
    auto script = with_replies(pipelining, {"250 ok", "452 4.5.3 too many", "552 too many", "452 4.2.2 mailbox full"},
                               "250 ok", "354 go", "250 ok");
    const auto run = play({script, 4});
    EXPECT_EQ(run.of(0), Verdict::delivered);
    for (const std::size_t n : {1u, 2u}) {
        EXPECT_EQ(run.of(n), Verdict::deferred) << n; // what it stays, should there be no next one
        EXPECT_TRUE(run.result.recipients[n].next_transaction) << n;
    }
    EXPECT_FALSE(run.result.recipients[3].next_transaction);
    EXPECT_TRUE(run.result.channel_usable);
}

TEST(Channel, EhloRefusedByPolicyIsNoCaseForHelo) { // SC-021: the next host, please
    for (const auto* refusal :
         {"554 5.7.1 you are blocked", "530 authenticate first", "550 5.7.25 no PTR", "521 never"}) {
        const auto run = play({{{"", greeting}, {"EHLO", refusal}}});
        ASSERT_TRUE(run.no_channel) << refusal;
        EXPECT_EQ(word(run.no_channel->reason), word(Reason::smtp_reply)) << refusal;
        EXPECT_FALSE(run.no_channel->permanent) << refusal;
        EXPECT_FALSE(run.finding) << refusal; // TR-010: it never got as far as needing TLS
        for (const auto& command : run.seen.commands) EXPECT_FALSE(command.starts_with("HELO")) << refusal;
    }
}

TEST(Channel, WithoutTlsOnlyWherePolicyYields) { // DANE-121, DANE-122, D-31, RFC 3207 4
    using enum dane::Requirement;
    struct Row {
        const char* ehlo;
        const char* starttls; // "" when it must not be sent
        policy::TlsEvent event;
    };
    const Row rows[] = {
        {"250 mx.example", "", policy::TlsEvent::not_offered},
        {"250-mx.example\r\n250 XTARTTLS", "", policy::TlsEvent::not_offered},
        {"250-mx.example\r\n250 STARTTLS", "454 4.7.0 not now", policy::TlsEvent::refused},
        {"250-mx.example\r\n250 STARTTLS", "501 no", policy::TlsEvent::refused},
    };
    for (const auto& row : rows) {
        for (const auto requirement : {may, encrypt, dane, pkix, mta_sts}) {
            Script script{{"", greeting}, {"EHLO", row.ehlo}};
            if (*row.starttls != 0) script.push_back({"STARTTLS", row.starttls});
            const Script mail = with_replies(row.ehlo, {"250 ok"}, "250 ok", "354 go", "250 ok");
            if (requirement == may) script.insert(script.end(), mail.begin() + 2, mail.end());
            Case c{script};
            c.requirement = requirement;
            c.clear_after_failed_tls = requirement == may;
            const auto run = play(c);
            const auto where = std::string(dane::word(requirement)) + " " + row.ehlo + " " + row.starttls;
            ASSERT_TRUE(run.finding) << where;
            EXPECT_EQ(run.finding->event, row.event) << where;
            EXPECT_EQ(run.seen.unexpected, "") << where;
            ASSERT_EQ(run.no_channel.has_value(), requirement != may) << where;
            if (!run.no_channel) continue;
            EXPECT_EQ(word(run.no_channel->reason), word(Reason::starttls_not_supported)) << where;
            EXPECT_EQ(run.no_channel->where.peer_name, "mx.example") << where;
            EXPECT_TRUE(run.no_channel->where.local) << where;
            for (const auto& command : run.seen.commands) EXPECT_FALSE(command.starts_with("MAIL")) << where;
        }
    }
}

TEST(Channel, A421ToStarttlsEndsTheSession) { // SC-031, also where clear text would do
    Case c{{{"", greeting}, {"EHLO", "250-mx.example\r\n250 STARTTLS"}, {"STARTTLS", "421 4.3.2 bye"}}};
    c.requirement = dane::Requirement::may;
    const auto run = play(c);
    ASSERT_TRUE(run.no_channel);
    EXPECT_EQ(word(run.no_channel->reason), word(Reason::smtp_reply));
    for (const auto& command : run.seen.commands) EXPECT_FALSE(command.starts_with("MAIL"));
}

TEST(Channel, ClearTextAnewIsRefusedWhereTlsIsDemanded) { // DANE-121: whoever asked for it
    using enum dane::Requirement;
    for (const auto requirement : {may, encrypt, dane, pkix, mta_sts}) {
        Case c{{{"", greeting}, {"EHLO", "250-mx.example\r\n250 STARTTLS"}}};
        c.requirement = requirement;
        c.protection = ChannelRules::Protection::clear_anew;
        const auto run = play(c); // and `may` too, where its plan does not allow it
        ASSERT_TRUE(run.no_channel) << dane::word(requirement);
        for (const auto& command : run.seen.commands) EXPECT_FALSE(command.starts_with("MAIL"));
    }
    Case allowed{with_replies("250-mx.example\r\n250 STARTTLS", {"250 ok"}, "250 ok", "354 go", "250 ok")};
    allowed.requirement = may;
    allowed.clear_after_failed_tls = true;
    allowed.protection = ChannelRules::Protection::clear_anew;
    const auto run = play(allowed);
    ASSERT_FALSE(run.no_channel);
    EXPECT_EQ(run.of(0), Verdict::delivered);
    EXPECT_FALSE(run.finding); // the broken one before was counted
}

TEST(Channel, ABrokenHandshakeIsAFindingToo) { // DANE-117, TR-010
    Case c{{{"", greeting}, {"EHLO", "250-mx.example\r\n250 STARTTLS"}, {"STARTTLS", "220 go"}}};
    c.requirement = dane::Requirement::encrypt;
    const auto run = play(c, 3, Fault::none); // what follows 220 is no TLS
    ASSERT_TRUE(run.no_channel);
    ASSERT_TRUE(run.finding);
    EXPECT_EQ(run.finding->event, policy::TlsEvent::broken);
    EXPECT_NE(run.finding->code, "");
    EXPECT_EQ(word(run.no_channel->reason), word(Reason::tls_handshake_failed));
}

TEST(Channel, ARefusingRelayOfTheOperatorKeepsTheMail) { // SC-092, D-14
    ChannelFailure failure;
    failure.reason = Reason::smtp_reply;
    failure.permanent = true;
    dane::NextHop hop;
    EXPECT_TRUE(host_failure(hop, {}, failure).permanent);
    hop.configured = true;
    EXPECT_FALSE(host_failure(hop, {}, failure).permanent);
    EXPECT_EQ(host_failure(hop, {}, failure).detail, "3.5");
}

TEST(Channel, HeloWhereEhloIsUnknown) { // H115, SC-021
    for (const auto* refusal : {"500 what", "502 5.5.1 no", "504 no", "550 no"}) {
        Script script{{"", greeting},
                      {"EHLO", refusal},
                      {"HELO relay.example", "250 mx.example"},
                      {"MAIL FROM:<", "250 ok"},
                      {"RCPT TO:<", "250 ok"},
                      {"DATA", "354 go"},
                      {"DATA-END", "250 ok"}};
        const auto run = play({script});
        ASSERT_FALSE(run.no_channel) << refusal;
        EXPECT_EQ(run.of(0), Verdict::delivered) << refusal;
        EXPECT_EQ(run.seen.unexpected, "") << refusal;
    }
    const auto run = play({{{"", greeting}, {"EHLO", "421 4.3.2 busy"}}});
    ASSERT_TRUE(run.no_channel);
    EXPECT_EQ(run.no_channel->code, 421);
    for (const auto& command : run.seen.commands) EXPECT_FALSE(command.starts_with("HELO"));
}

TEST(Channel, GreetingsThatRefuse) { // SC-020, H90, H116
    struct Row {
        const char* greeting;
        Reason reason;
        int code;
        bool permanent;
    };
    const Row rows[] = {
        {"554-No SMTP service\r\n554 here", Reason::smtp_reply, 554, false},
        {"521 5.3.2 never", Reason::smtp_reply, 521, true},
        {"556 5.1.10 null", Reason::smtp_reply, 556, true},
        {"421 4.3.2 later", Reason::smtp_reply, 421, false},
        {"150 what", Reason::smtp_reply, 0, false},
        {"hello there", Reason::smtp_reply, 0, false},
        {"250-a\r\n220 b", Reason::smtp_reply, 0, false},
    };
    for (const auto& row : rows) {
        const auto run = play({{{"", row.greeting}}});
        ASSERT_TRUE(run.no_channel) << row.greeting;
        EXPECT_EQ(word(run.no_channel->reason), word(row.reason)) << row.greeting;
        EXPECT_EQ(run.no_channel->code, row.code) << row.greeting;
        EXPECT_EQ(run.no_channel->permanent, row.permanent) << row.greeting;
        for (const auto& command : run.seen.commands)
            EXPECT_EQ(command, "QUIT") << row.greeting; // no EHLO after a refusal
    }
    const auto run = play({with_replies(pipelining, {"250 ok"}, "250 ok", "354 go", "250 ok")});
    EXPECT_FALSE(run.no_channel);
}

// DANE-A10, D-14: what anybody on the path may have said in clear text keeps the mail waiting, and bounces nothing.
TEST(Channel, AForgedGreetingEndsNothingForGood) {
    using enum dane::Requirement;
    for (const auto requirement : {none, may, encrypt, dane, pkix, mta_sts}) {
        Case c{{{"", "521 5.3.2 never"}}};
        c.requirement = requirement;
        const auto run = play(c);
        ASSERT_TRUE(run.no_channel) << dane::word(requirement);
        EXPECT_EQ(run.no_channel->code, 521);
        EXPECT_EQ(run.no_channel->permanent, requirement == none || requirement == may) << dane::word(requirement);
    }
}

TEST(Channel, ADaneTaMatchServesOnlyWhoAcceptsItsName) { // DANE-115, D-24
    dane::HostPlan host;
    host.reference_names = {"mx.example", "one.example"};
    const auto opened_by = [](std::uint8_t usage, std::string matched) {
        return tls::Matched{{usage, 1, 1, ""}, 0, std::move(matched)};
    };
    EXPECT_TRUE(accepts(host, opened_by(3, "")));
    EXPECT_TRUE(accepts(host, opened_by(2, "one.example")));
    EXPECT_FALSE(accepts(host, opened_by(2, "two.example")));
    EXPECT_FALSE(accepts(host, opened_by(2, ""))); // not known which: none of ours
}

TEST(Channel, WhatTheWebPkiVerifiedServesOnlyTheHostOfThatName) { // D-24: a name without SNI too
    using enum dane::Requirement;
    for (const auto requirement : {may, encrypt, dane, pkix, mta_sts}) {
        dane::HostPlan one, other;
        one.requirement = other.requirement = requirement;
        one.name = *dns::Name::from("1.2.3");
        other.name = *dns::Name::from("1.2.4");
        const Endpoint same{*IpAddress::parse("127.0.0.1"), 25};
        const bool shared = identity_of(one, same, {}) == identity_of(other, same, {});
        EXPECT_EQ(shared, requirement != pkix && requirement != mta_sts) << word(requirement);
    }
}

TEST(Channel, OurOwnNameInTheGreetingIsALoopOnPort25Only) { // SC-008: the lab's port is another one
    const auto run = play({{{"", greeting},
                            {"EHLO", "250 relay.example"},
                            {"MAIL FROM:<", "250 ok"},
                            {"RCPT", "250 ok"},
                            {"DATA", "354 go"},
                            {"DATA-END", "250 ok"}}});
    EXPECT_FALSE(run.no_channel);
}

TEST(Needs, FoundByLooking) { // SC-078, H117
    message::Envelope envelope;
    message::Recipient ascii, utf8, idn;
    ascii.address = "a@dest.example";
    utf8.address = "\xc3\xbc@dest.example";
    idn.address = "a@b\xc3\xbc"
                  "cher.example";
    envelope.smtputf8 = true; // asked for, not needed
    EXPECT_FALSE(needs_of(envelope, {&ascii}).smtputf8);
    EXPECT_FALSE(needs_of(envelope, {&idn}).smtputf8);
    EXPECT_TRUE(needs_of(envelope, {&ascii, &utf8}).smtputf8);
    envelope.content.eight_bit_header = true;
    EXPECT_TRUE(needs_of(envelope, {&ascii}).smtputf8);
    envelope.requiretls = true;
    EXPECT_TRUE(needs_of(envelope, {&ascii}).requiretls_wish); // null sender: SC-126
    envelope.reverse_path = "a@b.example";
    EXPECT_TRUE(needs_of(envelope, {&ascii}).requiretls);
}

} // namespace
} // namespace danelaw::delivery
