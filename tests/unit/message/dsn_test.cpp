// Who gets a notice (the table of DQ-020, all cells), and its text to the octet (golden files). H123, H163.
#include "danelaw/message/dsn.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/message/header_scan.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace danelaw;
using namespace danelaw::message;

namespace {

const Time received = *parse_rfc3339("2026-11-25T04:20:31.000Z");
const Time now = *parse_rfc3339("2026-11-25T08:30:00.000Z");

NoticeFacts facts(Action action) {
    NoticeFacts f;
    f.id = "0NOTICE000000000";
    f.hostname = "relay.example.com";
    f.now = now;
    f.action = action;
    f.original.id = "0ORIGINAL0000000";
    f.original.reverse_path = "sender@client.example";
    f.original.received_at = received;
    f.returned = "Received: from x\r\n\tby y\r\nSubject: Hello\r\nMessage-ID: <1@client.example>\r\n";
    return f;
}

NoticeRecipient recipient(const char* address, Verdict verdict, Reason reason, int code, const char* enhanced,
                          const char* host, const char* text) {
    NoticeRecipient r;
    r.recipient.address = address;
    r.outcome.verdict = verdict;
    r.outcome.reason = reason;
    r.outcome.code = code;
    r.outcome.enhanced = enhanced;
    r.outcome.host = host;
    r.outcome.text = text;
    return r;
}

NoticeRecipient refused() {
    return recipient("Joe.User@dest.example", Verdict::bounced, Reason::smtp_reply, 550, "5.1.1", "mx1.dest.example",
                     "5.1.1 <Joe.User@dest.example>: no such user");
}

std::string text_of(const NoticeFacts& f) {
    const Notice n = compose(f);
    // Every notice is well-formed for transport: CRLF only, lines within 998 octets.
    for (std::size_t i = 0; i < n.content.size(); ++i)
        EXPECT_EQ(n.content[i] == '\n', i > 0 && n.content[i - 1] == '\r');
    for (const auto& line : split(n.content, '\n')) EXPECT_LE(line.size(), 999u);
    return n.content;
}

void expect_golden(const std::string& name, const std::string& got) {
    const std::string file = std::string(DANELAW_TEST_DATA) + "/golden/" + name + ".eml";
    if (std::getenv("DANELAW_UPDATE_GOLDEN") != nullptr) std::ofstream(file, std::ios::binary) << got;
    std::ifstream in(file, std::ios::binary);
    std::ostringstream want;
    want << in.rdbuf();
    EXPECT_EQ(got, want.str()) << name;
}

std::string action_word(Event e, const char* notify) {
    Notify n;
    const std::string text = notify;
    n.never = text.find("NEVER") != std::string::npos;
    n.success = text.find("SUCCESS") != std::string::npos;
    n.failure = text.find("FAILURE") != std::string::npos;
    n.delay = text.find("DELAY") != std::string::npos;
    const auto a = notice_for(e, n);
    return a ? std::string(word(*a)) : "nothing";
}

} // namespace

TEST(NoticeTable, AllCells) { // DQ-020, DQ-026, DQ-027
    struct Row {
        Event event;
        std::vector<std::string>
            want; // absent NEVER SUCCESS FAILURE DELAY SUCCESS,FAILURE SUCCESS,DELAY FAILURE,DELAY all
    };
    const char* columns[] = {"",
                             "NEVER",
                             "SUCCESS",
                             "FAILURE",
                             "DELAY",
                             "SUCCESS,FAILURE",
                             "SUCCESS,DELAY",
                             "FAILURE,DELAY",
                             "SUCCESS,FAILURE,DELAY"};
    const std::string no = "nothing", re = "relayed", fa = "failed", de = "delayed", ok = "delivered";
    const Row rows[] = {
        {Event::taken_by_plain_server, {no, no, re, no, no, re, re, no, re}},
        {Event::taken_by_dsn_server, {no, no, no, no, no, no, no, no, no}},
        {Event::failed, {fa, no, no, fa, no, fa, no, fa, fa}},
        {Event::late, {de, no, no, no, de, no, de, de, de}},
        {Event::delivered_here, {no, no, ok, no, no, ok, ok, no, ok}},
    };
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.want.size(); ++i)
            EXPECT_EQ(action_word(row.event, columns[i]), row.want[i])
                << "event " << static_cast<int>(row.event) << " NOTIFY=" << columns[i];
}

TEST(Portion, Decides) { // DQ-030, DQ-052, DQ-053
    Envelope e;
    e.content.size = 1000;
    EXPECT_EQ(portion_for(e, Action::failed, 64 * 1024), Portion::full);
    EXPECT_EQ(portion_for(e, Action::delayed, 64 * 1024), Portion::header);
    EXPECT_EQ(portion_for(e, Action::relayed, 64 * 1024), Portion::header);
    e.ret = Ret::full;
    EXPECT_EQ(portion_for(e, Action::failed, 64 * 1024), Portion::full);
    EXPECT_EQ(portion_for(e, Action::failed, 999), Portion::header);
    e.requiretls = true;
    EXPECT_EQ(portion_for(e, Action::failed, 64 * 1024), Portion::header);
    e.requiretls = false;
    e.body = Body::binary_mime;
    EXPECT_EQ(portion_for(e, Action::failed, 64 * 1024), Portion::header);
    e.body = Body::seven_bit;
    e.ret = Ret::headers;
    EXPECT_EQ(portion_for(e, Action::failed, 64 * 1024), Portion::header);
}

TEST(Status, FitsItsAction) { // DQ-048
    struct Row {
        Action action;
        Verdict verdict;
        Reason reason;
        const char *enhanced, *want;
    };
    const Row rows[] = {
        {Action::failed, Verdict::bounced, Reason::smtp_reply, "5.1.1", "5.1.1"},
        {Action::failed, Verdict::bounced, Reason::smtp_reply, "", "5.0.0"},
        {Action::failed, Verdict::bounced, Reason::smtp_reply, "5.1.1 x", "5.0.0"},
        {Action::failed, Verdict::bounced, Reason::tlsa_invalid, "4.7.5", "5.7.5"},
        {Action::failed, Verdict::bounced, Reason::domain_not_found, "", "5.1.2"},
        {Action::failed, Verdict::bounced, Reason::no_mail_service, "5.1.10", "5.1.10"},
        {Action::failed, Verdict::expired, Reason::tlsa_invalid, "4.7.5", "4.4.7"},
        {Action::delayed, Verdict::deferred, Reason::smtp_reply, "4.2.0", "4.2.0"},
        {Action::delayed, Verdict::deferred, Reason::connect_failed, "", "4.4.1"},
        {Action::delayed, Verdict::deferred, Reason::none, "5.0.0", "4.0.0"},
        {Action::relayed, Verdict::delivered, Reason::none, "2.1.5", "2.1.5"},
        {Action::relayed, Verdict::delivered, Reason::none, "", "2.0.0"},
        {Action::relayed, Verdict::delivered, Reason::none, "4.0.0", "2.0.0"},
    };
    for (const auto& row : rows) {
        Outcome o;
        o.verdict = row.verdict;
        o.reason = row.reason;
        o.enhanced = row.enhanced;
        EXPECT_EQ(status_code(o, row.action), row.want) << row.want;
    }
}

TEST(Words, EveryFailureIsExplained) { // DQ-042
    for (int i = static_cast<int>(Reason::starttls_not_supported); i <= static_cast<int>(Reason::policy_hold); ++i)
        EXPECT_GT(explain(static_cast<Reason>(i)).size(), 20u) << word(static_cast<Reason>(i));
}

TEST(HeaderSection, IsNeverCutInsideAField) { // H123
    const std::string header = "A: 1\r\nB: 2\r\n\tmore\r\nC: 3\r\n";
    EXPECT_EQ(header_section(header + "\r\nbody\r\n", 1000), header);
    EXPECT_EQ(header_section(header, 1000), header);
    EXPECT_EQ(header_section(header + "body\r\n", 1000), header);
    EXPECT_EQ(header_section(header, 19), "A: 1\r\nB: 2\r\n\tmore\r\n");
    EXPECT_EQ(header_section(header, 18), "A: 1\r\n");
    EXPECT_EQ(header_section(header, 7), "A: 1\r\n");
    EXPECT_EQ(header_section("A: 1\r\nB: cut", 1000), "A: 1\r\n");
    EXPECT_EQ(header_section("", 1000), "");
}

TEST(Dsn, Failed) { // DQ-040…DQ-052
    auto f = facts(Action::failed);
    f.original.envid = "QQ+2B314";
    auto r = refused();
    r.recipient.orcpt = "rfc822;joe+2Buser@client.example";
    f.recipients.push_back(r);
    f.recipients.push_back(recipient("a@nodane.example", Verdict::expired, Reason::tlsa_invalid, 0, "4.4.7",
                                     "mx.nodane.example",
                                     "no TLSA record matches the certificate (3 1 1 0a1b2c…, leaf key d4e5f6)"));
    f.recipients.push_back(recipient("b@gone.example", Verdict::bounced, Reason::domain_not_found, 0, "5.1.2", "",
                                     "gone.example does not exist"));
    f.portion = Portion::full;
    f.returned += "\r\nHi Joe\r\n";
    expect_golden("failed", text_of(f));
}

TEST(Dsn, Delayed) { // DQ-026, DQ-050
    auto f = facts(Action::delayed);
    f.will_retry_until = received + std::chrono::hours(120);
    f.recipients.push_back(recipient("a@slow.example", Verdict::deferred, Reason::smtp_reply, 451, "4.3.0",
                                     "mx.slow.example", "try again later"));
    f.recipients.push_back(recipient("b@slow.example", Verdict::deferred, Reason::smtp_reply, 451, "4.3.0",
                                     "mx.slow.example", "try again later"));
    expect_golden("delayed", text_of(f));
}

TEST(Dsn, Relayed) { // DQ-020 row 1
    auto f = facts(Action::relayed);
    f.recipients.push_back(recipient("a@plain.example", Verdict::delivered, Reason::none, 250, "2.0.0",
                                     "mx.plain.example", "2.0.0 Ok: queued as 12345"));
    expect_golden("relayed", text_of(f));
}

TEST(Dsn, TlsRequiredNoIsCarried) { // DQ-031
    auto f = facts(Action::failed);
    f.recipients.push_back(refused());
    f.original.content.tls_required_no = true;
    HeaderScan scan;
    scan.feed(text_of(f));
    scan.finish();
    EXPECT_TRUE(scan.facts().tls_required_no);
    f.original.requiretls = true; // SC-124: REQUIRETLS wins
    EXPECT_EQ(text_of(f).find("TLS-Required"), std::string::npos);
}

TEST(Dsn, PeerTextInjectsNothing) { // DQ-056, H163
    auto f = facts(Action::failed);
    f.original.envid = "a+0D+0ASubject:+20x";
    auto r = recipient("a@evil.example", Verdict::bounced, Reason::smtp_reply, 550, "5.0.0", "mx\r\nX-Evil: 1",
                       "no\r\n--=_0NOTICE000000000_0\r\nContent-Type: text/html\r\n\r\n<b>\x01\xff\xc3\xbc");
    r.recipient.orcpt = "rfc822;a+0D+0AX-Evil:+202@c.test";
    f.recipients.push_back(r);
    f.returned = "X: --=_0NOTICE000000000_0\r\n";
    const std::string text = text_of(f);
    EXPECT_EQ(text.find("\nX-Evil"), std::string::npos);
    EXPECT_EQ(text.find("\nSubject: x"), std::string::npos);
    EXPECT_EQ(text.find("\n--=_0NOTICE000000000_0\r"), std::string::npos);
    expect_golden("injection", text);
}

TEST(Dsn, LongWordsAreBrokenBelowTheLineLimit) { // DQ-051
    auto f = facts(Action::failed);
    f.recipients.push_back(recipient((std::string(1020, 'a') + "@b.example").c_str(), Verdict::bounced,
                                     Reason::smtp_reply, 550, "", "mx", std::string(5000, 'x').c_str()));
    text_of(f);
}

// DQ-054: does the message have UTF-8, does the sender's own address?
TEST(Dsn, Internationalised) {
    for (const bool utf8_sender : {false, true})
        for (const bool smtputf8 : {false, true}) {
            if (utf8_sender && !smtputf8) continue; // such a sender can't have come in
            auto f = facts(Action::failed);
            f.original.smtputf8 = smtputf8;
            if (utf8_sender) f.original.reverse_path = "j\xc3\xbcrgen@client.example";
            auto r = recipient(smtputf8 ? "\xc3\xbc@dest.example" : "u@dest.example", Verdict::bounced,
                               Reason::smtputf8_unsupported, 0, "5.6.7", "mx.dest.example", "no SMTPUTF8");
            r.recipient.orcpt = "utf-8;\\x{FC}@old.example";
            f.recipients.push_back(r);
            f.returned = smtputf8 ? "Subject: \xc3\xbc\r\n" : "Subject: \xfc\r\n";
            f.original.content.eight_bit_header = true;
            f.portion = Portion::full;
            f.returned += "\r\nbody\r\n";
            const std::string text = text_of(f);
            EXPECT_EQ(compose(f).smtputf8, utf8_sender);
            HeaderScan scan;
            scan.feed(text);
            scan.finish();
            EXPECT_EQ(scan.facts().eight_bit_header, utf8_sender);
            expect_golden(std::string("utf8_") + (smtputf8 ? "message" : "legacy") + (utf8_sender ? "_native" : ""),
                          text);
        }
}

TEST(Dsn, SmtpUtf8MessageThatIsAllAsciiStaysClassic) { // DQ-054
    auto f = facts(Action::failed);
    f.original.smtputf8 = true;
    f.recipients.push_back(refused());
    const std::string text = text_of(f);
    EXPECT_EQ(text.find("global"), std::string::npos);
    EXPECT_TRUE(is_ascii(text));
}

TEST(Dsn, ForThePostmaster) { // DQ-022
    auto f = facts(Action::failed);
    f.original.reverse_path.clear();
    f.recipients.push_back(refused());
    expect_golden("postmaster", compose_for_postmaster(f, "postmaster@relay.example.com").content);
}

TEST(Dsn, UnreadableMessage) {
    auto f = facts(Action::failed);
    f.returned_unavailable = true;
    f.recipients.push_back(refused());
    const std::string text = text_of(f);
    EXPECT_EQ(text.find("rfc822-headers"), std::string::npos);
    EXPECT_NE(text.find("could not be read"), std::string::npos);
}
