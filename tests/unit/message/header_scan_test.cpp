// What the scan at acceptance must find (SC-073, SC-077, SC-094, SC-123; H117, H152).
#include "danelaw/message/header_scan.hpp"

#include <gtest/gtest.h>

using namespace danelaw::message;

namespace {

// "received date id no signed 8b 8h" words that hold, for comparison with a table.
std::string facts_text(const std::string& text, std::size_t step) {
    HeaderScan scan;
    for (std::size_t i = 0; i < text.size(); i += step) scan.feed(std::string_view(text).substr(i, step));
    scan.finish();
    const ContentFacts f = scan.facts();
    EXPECT_EQ(f.size, text.size());
    EXPECT_TRUE(scan.header_ended());
    std::string out = std::to_string(f.received_count) + "/" + std::to_string(f.header_size);
    if (scan.has_date()) out += " date";
    if (scan.has_message_id()) out += " id";
    if (f.tls_required_no) out += " no";
    if (f.signed_content) out += " signed";
    if (f.eight_bit_body) out += " 8body";
    if (f.eight_bit_header) out += " 8header";
    if (scan.starts_with_body()) out += " bare";
    return out;
}

struct Case {
    const char* name;
    std::string text;
    std::string want;
};

const Case cases[] = {
    {"empty", "", "0/0 bare"},
    {"plain", "Date: x\r\nMessage-Id: <a@b>\r\n\r\nhi\r\n", "0/30 date id"},
    {"received", "Received: a\r\nRECEIVED : b\r\n\tc\r\n\r\nReceived: no\r\n", "2/33"},
    {"sc123_no", "TLS-Required: No\r\n\r\n", "0/20 no"},
    {"sc123_case_and_fold", "tls-required:\r\n nO \r\n\r\n", "0/23 no"},
    {"h152_yes", "TLS-Required: Yes\r\n\r\n", "0/21"},
    {"h152_twice", "TLS-Required: No\r\nTLS-Required: No\r\n\r\n", "0/38"},
    {"h152_no_and_other", "TLS-Required: No\r\nTLS-Required: x\r\n\r\n", "0/37"},
    {"h152_in_body", "A: b\r\n\r\nTLS-Required: No\r\n", "0/8"},
    {"h152_in_part", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nTLS-Required: No\r\n\r\nx\r\n--b--\r\n",
     "0/45"},
    {"dkim", "DKIM-Signature: v=1\r\n\r\n", "0/23 signed"},
    {"signed", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n", "0/46 signed"},
    {"signed_inside",
     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/signed; "
     "boundary=c\r\n\r\n--b--\r\n",
     "0/45 signed"},
    {"8bit_body", "A: b\r\n\r\n\xc3\xbc\r\n", "0/8 8body"},
    {"8bit_subject", "Subject: \xc3\xbc\r\n\r\n", "0/15 8header"},
    {"sc077_8bit_part_header",
     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Description: \xc3\xbc\r\n\r\nx\r\n--b--\r\n",
     "0/45 8header"},
    {"old_mail_attached", "Content-Type: message/rfc822\r\n\r\nSubject: \xfc\r\n\r\nx\r\n", "0/32 8body"},
    {"global_mail_attached", "Content-Type: message/global\r\n\r\nSubject: \xc3\xbc\r\n\r\nx\r\n", "0/32 8header"},
    {"no_header", "\xff\r\n", "0/0 8body bare"},
    {"blank_first", "\r\nhi", "0/2"},
};

} // namespace

TEST(HeaderScan, FindsTheFactsInAnySplit) {
    for (const auto& c : cases)
        for (std::size_t step = 1; step <= c.text.size() + 1; ++step)
            EXPECT_EQ(facts_text(c.text, step), c.want) << c.name << " step " << step;
}

TEST(HeaderScan, PrefixCounts) {
    ContentFacts f;
    f.size = 10;
    f.header_size = 5;
    f.received_count = 1;
    add_prefix(f, "Received: x\r\n\ty\r\nDate: z\r\n");
    EXPECT_EQ(f.size, 10u + 26u);
    EXPECT_EQ(f.header_size, 5u + 26u);
    EXPECT_EQ(f.received_count, 2);
    EXPECT_FALSE(f.signed_content);
    add_prefix(f, "DKIM-Signature: v=1\r\n");
    EXPECT_TRUE(f.signed_content);
}

TEST(HeaderScan, HugeHeaderIsBounded) {
    HeaderScan scan;
    for (int i = 0; i < 300; ++i) scan.feed(std::string(65536, 'a'));
    scan.finish();
    EXPECT_EQ(scan.facts().size, 300u * 65536u);
}
