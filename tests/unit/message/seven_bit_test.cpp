// 8-bit content to 7-bit: exact results, and refusals (SC-073, SC-076, DQ-053, H118).
#include "danelaw/message/to_seven_bit.hpp"

#include "danelaw/base/text.hpp"

#include <gtest/gtest.h>

using namespace danelaw;
using namespace danelaw::message;

namespace {

std::string convert(const std::string& text, std::size_t step, Attached attached) {
    SevenBitScan scan(attached);
    for (std::size_t i = 0; i < text.size(); i += step) scan.feed(std::string_view(text).substr(i, step));
    auto plan = scan.finish();
    if (!plan) return "refused: " + plan.error().detail;
    if (!plan->changes) return "unchanged";
    SevenBitConverter c(std::move(*plan));
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += step) out += c.feed(std::string_view(text).substr(i, step));
    return out + c.finish();
}

struct Case {
    const char* name;
    std::string text, want;
    Attached attached = Attached::converted;
};

const std::string u = "\xc3\xbc";

const Case cases[] = {
    {"seven_bit", "A: b\r\n\r\nhi\r\n", "unchanged"},
    {"plain_without_mime", "A: b\r\n\r\n" + u + "\r\n",
     "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n"},
    {"text",
     "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
     "a=b " +
         u + " \r\n\tx\t\r\n.\r\n",
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n"
     "a=3Db =C3=BC=20\r\n\tx=09\r\n.\r\n"},
    {"nested",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--o\r\n"
     "Content-Type: multipart/alternative; boundary=i\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--i\r\n"
     "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<" +
         u +
         ">\r\n--i\r\n\r\nplain\r\n--i--\r\n"
         "--o\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
         u + "\r\n\r\n--o--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--o\r\n"
     "Content-Type: multipart/alternative; boundary=i\r\nContent-Transfer-Encoding: 7bit\r\n\r\n--i\r\n"
     "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n<=C3=BC>\r\n--i\r\n\r\nplain\r\n"
     "--i--\r\n--o\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nw7wNCg==\r\n--o--\r\n"},
    {"attached_message",
     "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: x\r\n\r\n" +
         u + "\r\n",
     "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: x\r\n"
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n"
     "=C3=BC\r\n"},
    {"dq053_returned_message_shrinks_to_its_header",
     "MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\nContent-Transfer-Encoding: "
     "8bit\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
     "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nA: b\r\n c\r\nSubject: " +
         u + "\r\n more\r\nD: e\r\n\r\nbody " + u + "\r\n--b--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\nContent-Transfer-Encoding: "
     "7bit\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
     "Content-Type: text/rfc822-headers\r\n\r\nA: b\r\n c\r\nD: e\r\n\r\n--b--\r\n",
     Attached::header_if_eight_bit},
    {"dq024_what_is_encoded_whole_is_left_out",
     "MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
     "Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n\r\nUzogeA0K\r\nDQo=\r\n--b--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n"
     "Content-Type: text/plain\r\n\r\nThe message is larger than your mail system takes, and is not returned."
     "\r\n--b--\r\n",
     Attached::header},
    {"binary_body",
     std::string(
         "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\x01\0\n\r\r\n", 87),
     "MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAQAKDQ0K\r\n"},
    {"lone_cr_in_8bit_text", "Content-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\n" + u + "\rx\r\n",
     "Content-Type: text/plain\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nw7wNeA0K\r\n"},
    {"signed_part",
     "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" + u + "\r\n--b--\r\n",
     "refused: an 8-bit part is signed"},
    {"signed_but_seven_bit_beside_8bit",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/signed; "
     "boundary=b\r\n"
     "Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--o\r\nContent-Type: text/plain\r\n\r\n" +
         u + "\r\n--o--\r\n",
     "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\nContent-Transfer-Encoding: "
     "7bit\r\n\r\n--o\r\nContent-Type: "
     "multipart/signed; boundary=b\r\nContent-Transfer-Encoding: "
     "8bit\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--o\r\nContent-Type: text/plain\r\n"
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=BC\r\n--o--\r\n"},
    {"dkim", "DKIM-Signature: x\r\n\r\n" + u + "\r\n", "refused: it is DKIM-signed"},
    {"dkim_seven_bit", "DKIM-Signature: x\r\n\r\nx\r\n", "unchanged"},
    {"8bit_header", "Subject: " + u + "\r\n\r\nx\r\n", "refused: a header field holds 8-bit octets"},
    {"8bit_preamble", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + u + "\r\n--b\r\n\r\nx\r\n--b--\r\n",
     "refused: there are 8-bit octets outside of the parts"},
    {"8bit_in_base64", "Content-Transfer-Encoding: base64\r\n\r\n" + u + "\r\n",
     "refused: a part has 8-bit octets although it says to be encoded"},
    {"no_boundary", "Content-Type: multipart/mixed\r\n\r\n" + u + "\r\n",
     "refused: the structure of its parts is broken"},
    {"partial", "Content-Type: message/partial\r\n\r\n" + u + "\r\n",
     "refused: a part of type message/partial is 8-bit"},
    {"no_header_at_all", u + "\r\n",
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n"
     "=C3=BC\r\n"},
};

} // namespace

TEST(SevenBit, ConvertsInAnySplit) {
    for (const auto& c : cases)
        for (std::size_t step = 1; step <= c.text.size(); ++step) {
            const std::string got = convert(c.text, step, c.attached);
            ASSERT_EQ(got, c.want) << c.name << " step " << step;
            if (!c.want.starts_with("refused") && c.want != "unchanged") {
                ASSERT_TRUE(is_ascii(got)) << c.name;
            }
        }
}

TEST(SevenBit, LinesStayWithinBounds) { // RFC 2045 6.7 (5), 6.8
    std::string text;
    for (int i = 0; i < 2000; ++i) text += (i % 7 == 0 ? u : "x ");
    for (const char* type : {"text/plain", "image/gif"}) {
        const auto all = "MIME-Version: 1.0\r\nContent-Type: " + std::string(type) + "\r\n\r\n" + text + "\r\n";
        const auto out = convert(all, all.size(), Attached::converted);
        ASSERT_TRUE(is_ascii(out));
        for (const auto& line : split(out, '\n')) EXPECT_LE(line.size(), 77u) << line;
    }
}
