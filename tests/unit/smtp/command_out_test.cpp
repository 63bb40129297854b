// Parameters go only to servers that offered them: SC-024, SC-070…SC-084.
#include "danelaw/smtp/command_out.hpp"

#include <gtest/gtest.h>

namespace danelaw::smtp {
namespace {

Capabilities everything() {
    Capabilities c;
    c.esmtp = c.pipelining = c.eight_bit_mime = c.smtputf8 = c.dsn = c.chunking = c.binarymime = c.requiretls =
        c.size_offered = true;
    return c;
}
MailFacts all_facts() {
    MailFacts f;
    f.reverse_path = "a@b.test";
    f.size = 1234;
    f.body = Body::eight_bit_mime;
    f.needs_smtputf8 = true;
    f.requiretls = true;
    f.ret = Ret::headers;
    f.envid = "QQ+2B1";
    return f;
}

TEST(MailCommand, SendsOnlyWhatWasOffered) {
    EXPECT_EQ(mail_command(all_facts(), everything()),
              "MAIL FROM:<a@b.test> SIZE=1234 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ+2B1\r\n");
    EXPECT_EQ(mail_command(all_facts(), Capabilities{}), "MAIL FROM:<a@b.test>\r\n");
    struct Row {
        bool Capabilities::* flag;
        const char* want;
    };
    const std::vector<Row> rows{
        {&Capabilities::size_offered, " SIZE=1234"},    {&Capabilities::eight_bit_mime, " BODY=8BITMIME"},
        {&Capabilities::smtputf8, " SMTPUTF8"},         {&Capabilities::requiretls, " REQUIRETLS"},
        {&Capabilities::dsn, " RET=HDRS ENVID=QQ+2B1"}, {&Capabilities::pipelining, ""},
    };
    for (const auto& row : rows) {
        Capabilities c;
        c.*row.flag = true;
        EXPECT_EQ(mail_command(all_facts(), c), std::string("MAIL FROM:<a@b.test>") + row.want + "\r\n");
    }
}

TEST(MailCommand, NullSenderAndDomains) {
    MailFacts f;
    EXPECT_EQ(mail_command(f, everything()), "MAIL FROM:<>\r\n"); // SC-083
    f.reverse_path = "a@b\xc3\xbc"
                     "cher.test";
    EXPECT_EQ(mail_command(f, everything()), "MAIL FROM:<a@xn--bcher-kva.test>\r\n"); // SC-077
    f.body = Body::binary_mime;
    EXPECT_EQ(mail_command(f, everything()), "MAIL FROM:<a@xn--bcher-kva.test> BODY=BINARYMIME\r\n"); // SC-076
}

TEST(RcptCommand, DsnParameters) {
    RcptFacts f;
    f.address = "\"a b\"@x.test";
    f.orcpt = "rfc822;x+2By@z.test";
    f.notify.success = f.notify.failure = true;
    EXPECT_EQ(rcpt_command(f, everything()),
              "RCPT TO:<\"a b\"@x.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@z.test\r\n");
    EXPECT_EQ(rcpt_command(f, Capabilities{}), "RCPT TO:<\"a b\"@x.test>\r\n"); // SC-080
    f.notify = {};
    f.notify.never = true;
    f.orcpt = "";
    EXPECT_EQ(rcpt_command(f, everything()), "RCPT TO:<\"a b\"@x.test> NOTIFY=NEVER\r\n");
}

// SC-081
TEST(RcptCommand, Utf8OrcptInBothForms) {
    RcptFacts f;
    f.address = "a@x.test";
    f.orcpt = "utf-8;\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80@x.test";
    EXPECT_EQ(rcpt_command(f, everything()), "RCPT TO:<a@x.test> ORCPT=utf-8;\\x{FC}\\x{20AC}\\x{1F600}@x.test\r\n");
    f.with_smtputf8 = true;
    EXPECT_EQ(rcpt_command(f, everything()),
              "RCPT TO:<a@x.test> ORCPT=utf-8;\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80@x.test\r\n");
}

} // namespace
} // namespace danelaw::smtp
