// Commands as clients write them: SS-002…SS-010, SS-042, SS-045, SS-048, SS-078, SS-083, SS-084, SS-097, H153, H163.
#include "danelaw/smtp/command_in.hpp"

#include "danelaw/smtp/command_out.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace danelaw::smtp {
namespace {

std::string code(const ServerReply& r) {
    return std::to_string(r.code) + ' ' + r.enhanced;
}

std::string mail(std::string_view arguments, Syntax syntax = Syntax::sloppy, RequireTls tls = RequireTls::offered) {
    auto c = parse_mail(arguments, syntax, tls);
    if (!c) return code(c.error());
    std::string out = '<' + c->path.text() + '>';
    if (c->size) out += " size=" + std::to_string(*c->size);
    if (c->body == Body::eight_bit_mime) out += " 8bit";
    if (c->body == Body::binary_mime) out += " binary";
    if (c->smtputf8) out += " utf8";
    if (c->requiretls) out += " requiretls";
    if (c->ret != Ret::unset) out += c->ret == Ret::full ? " full" : " hdrs";
    if (!c->envid.empty()) out += " envid=" + c->envid;
    if (c->auth) out += " auth=" + *c->auth;
    return out;
}

std::string rcpt(std::string_view arguments, Utf8 utf8 = Utf8::off, Syntax syntax = Syntax::sloppy) {
    auto c = parse_rcpt(arguments, syntax, utf8);
    if (!c) return code(c.error());
    std::string out = '<' + c->mailbox.text() + '>';
    if (!c->notify.absent()) out += ' ' + notify_text(c->notify);
    if (!c->orcpt.empty()) out += " orcpt=" + c->orcpt;
    return out;
}

struct Row {
    std::string arguments, want;
};

TEST(Command, Verbs) {
    const std::vector<std::pair<std::string, Verb>> rows{
        {"mail from:<a@b>", Verb::mail},
        {"EHLO x", Verb::ehlo},
        {"bDaT 5", Verb::bdat},
        {"MAILFROM:<a>", Verb::unknown},
        {"", Verb::unknown},
        {"XYZZY", Verb::unknown},
        {"NOOP", Verb::noop},
        {"STARTTLS ", Verb::starttls},
        {"MAIL FROM:<a@b>\nRCPT TO:<c@d>", Verb::malformed},
        {std::string("NO\0OP", 5), Verb::malformed},
        {"\x1b[2J", Verb::malformed},
        {"\xc3\xbc", Verb::unknown},
        {" QUIT", Verb::unknown},
        {"QUIT\r", Verb::malformed},
    };
    for (const auto& [line, want] : rows) EXPECT_EQ(parse_command(line).verb, want) << line;
}

TEST(Mail, Table) {
    const std::vector<Row> rows{
        {"FROM:<a@b.test>", "<a@b.test>"},
        {"from:<a@b.test> size=10", "<a@b.test> size=10"}, // H153
        {"FROM: <a@b.test>", "<a@b.test>"},
        {"FROM: a@b.test", "<a@b.test>"},
        {"FROM:<>", "<>"},
        {"FROM:", "501 5.5.4"},
        {"TO:<a@b.test>", "501 5.5.4"},
        {"", "501 5.5.4"},
        {"FROM:<a@>", "501 5.1.7"},
        {"FROM:<postmaster>", "501 5.1.7"},
        {"FROM:<a@b.test> FOO", "555 5.5.4"},
        {"FROM:<a@b.test> FOO=1", "555 5.5.4"},
        {"FROM:<a@b.test> SIZE=1 SIZE=1", "501 5.5.4"},
        {"FROM:<a@b.test> SIZE=", "501 5.5.4"},
        {"FROM:<a@b.test> SIZE", "501 5.5.4"},
        {"FROM:<a@b.test> SIZE=-1", "501 5.5.4"},
        {"FROM:<a@b.test> SIZE=999999999999999999999", "501 5.5.4"},
        {"FROM:<a@b.test> BODY=8bitmime", "<a@b.test> 8bit"},
        {"FROM:<a@b.test> BODY=BINARYMIME", "<a@b.test> binary"},
        {"FROM:<a@b.test> BODY=9BIT", "501 5.5.4"},
        {"FROM:<a@b.test> RET=FULL", "<a@b.test> full"},
        {"FROM:<a@b.test> RET=HDRS ENVID=QQ314159", "<a@b.test> hdrs envid=QQ314159"}, // H163
        {"FROM:<a@b.test> RET=ALL", "501 5.5.4"},
        {"FROM:<a@b.test> ENVID=" + std::string(100, 'x'), "<a@b.test> envid=" + std::string(100, 'x')},
        {"FROM:<a@b.test> ENVID=" + std::string(101, 'x'), "501 5.5.4"},
        {"FROM:<a@b.test> ENVID=a+0D+0Ab", "501 5.5.4"},
        {"FROM:<a@b.test> ENVID=a+zz", "501 5.5.4"},
        {"FROM:<a@b.test> AUTH=<>", "<a@b.test> auth=<>"},
        {"FROM:<a@b.test> AUTH=e+3Dmc2@example.com", "<a@b.test> auth=e=mc2@example.com"},
        {"FROM:<a@b.test> AUTH=a=b", "501 5.5.4"},
        {"FROM:<a@b.test> SMTPUTF8", "<a@b.test> utf8"},
        {"FROM:<a@b.test> SMTPUTF8=1", "501 5.5.4"},
        {"FROM:<\xc3\xbc@b.test> SMTPUTF8", "<\xc3\xbc@b.test> utf8"},
        {"FROM:<\xc3\xbc@b.test>", "550 5.6.7"},
        {"FROM:<a@b\xc3\xbc"
         "cher.test>",
         "550 5.6.7"},
        {"FROM:<\xc0\xaf@b.test> SMTPUTF8", "501 5.1.7"},
        {"FROM:<a@b.test> REQUIRETLS", "<a@b.test> requiretls"},
        {"FROM:<a@b.test> REQUIRETLS=1", "501 5.5.4"},
        {"FROM:<a@b.test>SIZE=1", "501 5.1.7"},
        {"FROM:<a@b.test> =1", "501 5.5.4"},
    };
    for (const auto& row : rows) EXPECT_EQ(mail(row.arguments), row.want) << row.arguments;
    EXPECT_EQ(mail("FROM: <a@b.test>", Syntax::strict), "501 5.1.7");
    EXPECT_EQ(mail("FROM:<a@b.test> REQUIRETLS", Syntax::strict, RequireTls::needs_tls), "530 5.7.10"); // SS-078
    EXPECT_EQ(mail("FROM:<a@b.test> REQUIRETLS", Syntax::strict, RequireTls::not_offered), "555 5.5.4");
}

TEST(Rcpt, Table) {
    const std::vector<Row> rows{
        {"TO:<a@b.test>", "<a@b.test>"},
        {"TO: c@d.test", "<c@d.test>"},
        {"TO:<@relay.test:c@d.test>", "<c@d.test>"},
        {"to:<Postmaster>", "<Postmaster>"},
        {"TO:<>", "501 5.1.3"},
        {"TO:<a>", "501 5.1.3"},
        {"FROM:<a@b.test>", "501 5.5.4"},
        {"TO:<\xc3\xbc@b.test>", "553 5.6.7"},
        {"TO:<a@b.test> NOTIFY=NEVER", "<a@b.test> NEVER"},
        {"TO:<a@b.test> NOTIFY=success,Delay", "<a@b.test> success,Delay"},
        {"TO:<a@b.test> NOTIFY=NEVER,SUCCESS", "501 5.5.4"}, // H163
        {"TO:<a@b.test> NOTIFY=SUCCESS,SUCCESS", "501 5.5.4"},
        {"TO:<a@b.test> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"},
        {"TO:<a@b.test> NOTIFY=SOMETIMES", "501 5.5.4"},
        {"TO:<a@b.test> NOTIFY=SUCCESS,", "501 5.5.4"},
        {"TO:<a@b.test> ORCPT=rfc822;x+2By@z.test", "<a@b.test> orcpt=rfc822;x+2By@z.test"},
        {"TO:<a@b.test> ORCPT=rfc822;a+0D+0Ab@c.test", "501 5.5.4"}, // H163
        {"TO:<a@b.test> ORCPT=rfc822", "501 5.5.4"},
        {"TO:<a@b.test> ORCPT=;x", "501 5.5.4"},
        {"TO:<a@b.test> ORCPT=rfc822;", "501 5.5.4"},
        {"TO:<a@b.test> ORCPT=rfc822;" + std::string(500, 'x'), "501 5.5.4"},
        {"TO:<a@b.test> ORCPT=utf-8;\\x{FC}@b.test", "<a@b.test> orcpt=utf-8;\\x{FC}@b.test"},
        {"TO:<a@b.test> ORCPT=utf-8;\xc3\xbc@b.test", "501 5.5.4"},
        {"TO:<a@b.test> SIZE=1", "555 5.5.4"},
    };
    for (const auto& row : rows) EXPECT_EQ(rcpt(row.arguments), row.want) << row.arguments;
    EXPECT_EQ(rcpt("TO:<\xc3\xbc@b.test> ORCPT=utf-8;\xc3\xbc@b.test", Utf8::on),
              "<\xc3\xbc@b.test> orcpt=utf-8;\xc3\xbc@b.test");
    EXPECT_EQ(rcpt("TO: <a@b.test>", Utf8::off, Syntax::strict), "501 5.1.3");
}

TEST(Bdat, Counts) {
    EXPECT_EQ(parse_bdat("10")->size, 10u);
    EXPECT_TRUE(parse_bdat("0 last")->last);
    EXPECT_EQ(parse_bdat("9223372036854775807")->size, (std::uint64_t{1} << 63) - 1);
    for (const char* bad :
         {"", "-1", "1e9", "9223372036854775808", "123456789012345678901234567890", "5 FIRST", "5 LAST x", "+5", "0x5"})
        EXPECT_FALSE(parse_bdat(bad)) << bad;
}

TEST(Helo, AnySaneName) { // SS-004
    for (const char* good : {"[127.0.0.1]", "localhost", "a_b", "x"}) EXPECT_TRUE(parse_helo_name(good)) << good;
    EXPECT_EQ(parse_helo_name("").error().code, 501);
    EXPECT_EQ(parse_helo_name("").error().enhanced, "");
    EXPECT_FALSE(parse_helo_name(std::string(256, 'x')));
    EXPECT_FALSE(parse_helo_name("a b"));
}

TEST(Auth, Syntax) {
    EXPECT_EQ(parse_auth("plain AGE=")->mechanism, "PLAIN");
    EXPECT_EQ(parse_auth("PLAIN =")->initial, "=");
    EXPECT_FALSE(parse_auth("LOGIN")->initial);
    EXPECT_EQ(code(parse_auth("").error()), "501 5.5.4");
    EXPECT_EQ(code(parse_auth("PLAIN a b").error()), "501 5.5.4");
    EXPECT_EQ(code(parse_auth_octets("!!").error()), "501 5.5.2");
}

TEST(Plain, Rfc4616) { // SS-083
    using namespace std::string_literals;
    auto ok = parse_plain("\0tim\0tanstaaf"s);
    ASSERT_TRUE(ok);
    EXPECT_EQ(ok->user + '/' + ok->password, "tim/tanstaaf");
    EXPECT_TRUE(parse_plain("tim\0tim\0x"s));
    EXPECT_EQ(code(parse_plain("Ursel\0Kurt\0x"s).error()), "535 5.7.8");
    for (const auto& bad : {"tim\0x"s, "\0\0x"s, "\0a\0b\0c"s, ""s})
        EXPECT_EQ(code(parse_plain(bad).error()), "501 5.5.2");
}

TEST(ServerReply, OnTheWire) { // SS-015, SS-017
    EXPECT_EQ(wire({250, "2.0.0", "Ok"}), "250 2.0.0 Ok\r\n");
    EXPECT_EQ(wire({250, "", "relay\nPIPELINING\nSIZE 5"}), "250-relay\r\n250-PIPELINING\r\n250 SIZE 5\r\n");
    EXPECT_EQ(wire({550, "5.1.1", "one\ntwo"}), "550-5.1.1 one\r\n550 5.1.1 two\r\n");
    EXPECT_EQ(wire({550, "5.1.1",
                    "a\r\x1b"
                    "b\xc3\xbc"}),
              "550 5.1.1 a\\x0d\\x1bb??\r\n");
    EXPECT_LE(wire({550, "5.1.1", std::string(5000, 'x')}).size(), 512u);
}

} // namespace
} // namespace danelaw::smtp
