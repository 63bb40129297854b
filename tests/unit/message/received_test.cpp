// Received, Date and Message-ID: exact text (SS-049, SS-050, D-19).
#include "danelaw/message/received.hpp"

#include <gtest/gtest.h>

using namespace danelaw;
using namespace danelaw::message;

namespace {

Envelope envelope() {
    Envelope e;
    e.id = "0ABCDEFGHJKMNPQR";
    e.received_at = *parse_rfc3339("2026-11-25T04:20:31.000Z");
    e.client.address = IpAddress::parse("192.0.2.7");
    e.client.helo = "mail.example.com";
    e.client.protocol = "ESMTPS";
    e.client.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
    return e;
}

std::vector<Recipient> to(std::initializer_list<const char*> addresses) {
    std::vector<Recipient> out;
    for (const char* a : addresses) {
        Recipient r;
        r.address = a;
        out.push_back(r);
    }
    return out;
}

} // namespace

TEST(Received, OneRecipient) { // SS-049
    EXPECT_EQ(received_field(envelope(), to({"a@b.test"}), "relay.example"),
              "Received: from mail.example.com ([192.0.2.7])\r\n"
              "\t(using TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
              "\tby relay.example (Danelaw) with ESMTPS id 0ABCDEFGHJKMNPQR\r\n"
              "\tfor <a@b.test>;\r\n"
              "\tWed, 25 Nov 2026 04:20:31 +0000\r\n");
}

TEST(Received, SeveralRecipientsAreNotNamed) {
    EXPECT_EQ(received_field(envelope(), to({"a@b.test", "c@d.test"}), "relay.example").find("for <"),
              std::string::npos);
}

TEST(Received, UnixSocketAndSilentClient) {
    Envelope e = envelope();
    e.client = {};
    e.client.protocol = "SMTP";
    EXPECT_EQ(received_field(e, to({}), "r.test"), "Received: from localhost (local)\r\n"
                                                   "\tby r.test (Danelaw) with SMTP id 0ABCDEFGHJKMNPQR;\r\n"
                                                   "\tWed, 25 Nov 2026 04:20:31 +0000\r\n");
}

TEST(Received, PeerTextIsHarmless) {
    Envelope e = envelope();
    e.client.helo = "x) by evil\r\nX-Evil: 1 \"(\\";
    e.client.address = IpAddress::parse("2001:db8::1");
    e.client.user = "joe(\r\n)";
    const auto text = received_field(e, to({"\xc3\xbc@b.test"}), "r.test");
    EXPECT_EQ(text.find("\nX-Evil"), std::string::npos);
    EXPECT_EQ(text.find("for <"), std::string::npos); // non-ASCII, and the message isn't SMTPUTF8
    EXPECT_TRUE(text.starts_with("Received: from [IPv6:2001:db8::1] (helo x by evil"));
    e.smtputf8 = true; // said at MAIL, but the header is ASCII: ours keeps it so (SC-077)
    EXPECT_EQ(received_field(e, to({"\xc3\xbc@b.test"}), "r.test").find("for <"), std::string::npos);
    e.content.eight_bit_header = true;
    EXPECT_NE(received_field(e, to({"\xc3\xbc@b.test"}), "r.test").find("for <\xc3\xbc@b.test>"), std::string::npos);
}

TEST(MissingFields, AddedOnlyByTheFirstHop) { // SS-050, D-19, H156
    const Time now = *parse_rfc3339("2026-11-25T04:20:31.000Z");
    const auto missing = [&](std::string_view text) {
        HeaderScan scan;
        scan.feed(text);
        scan.finish();
        return missing_fields(scan, now, "0ABC", "r.test");
    };
    EXPECT_EQ(missing("Subject: x\r\n\r\n"), "Date: Wed, 25 Nov 2026 04:20:31 +0000\r\nMessage-ID: <0abc@r.test>\r\n");
    EXPECT_EQ(missing("date: x\r\n\r\n"), "Message-ID: <0abc@r.test>\r\n");
    EXPECT_EQ(missing("Message-Id: x\r\nDATE: y\r\n\r\n"), "");
    EXPECT_EQ(missing("Received: x\r\n\r\n"), "");
}
