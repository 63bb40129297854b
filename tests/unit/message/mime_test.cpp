// The MIME walk: structure found, every octet kept, whatever the split.
#include "message/mime_support.hpp"

#include <gtest/gtest.h>

using namespace danelaw::message;
using namespace danelaw::message::testing;

namespace {

struct Case {
    const char* name;
    std::string text;
    std::string want;
};

const Case cases[] = {
    {"plain", "A: b\r\nC: d\r\n e\r\n\r\nhi\r\n", "F0 A|F0 C|E text/plain|C hi^$|.|"},
    {"no_body", "A: b\r\n", "F0 A|e text/plain|"},
    {"no_header", "\r\nhi", "E text/plain|C hi|.|"},
    {"body_without_blank_line", "A: b\r\nno field here\r\n", "F0 A|e text/plain|C no field here^$|.|"},
    {"mbox_line", "From x\r\nA: b\r\n\r\n", "H From x^$|F0 A|E text/plain|.|"},
    {"multipart",
     "Content-Type: multipart/mixed; boundary=\"b b\"\r\n\r\npre\r\n--b b\r\nA: b\r\n\r\none\r\n--b b \r\n\r\ntwo\r\n"
     "\r\n--b b--\r\nepi\r\n",
     "F0 Content-Type|E multipart/mixed|- pre^$--b b^$|F1 A|E text/plain|C one|.|- ^$--b b ^$|E text/plain|C two^$|.|"
     "- ^$--b b--^$epi^$|"},
    {"nested",
     "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n"
     "--i\r\n\r\nx\r\n--o\r\n\r\ny\r\n--o--\r\n",
     "F0 Content-Type|E multipart/mixed|- --o^$|F1 Content-Type|E multipart/alternative|- --i^$|E text/plain|C x|.|"
     "- ^$--o^$|E text/plain|C y|.|- ^$--o--^$|"},
    {"boundary_is_prefix_of_another",
     "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; "
     "boundary=oo\r\n\r\n--oo\r\n\r\nx"
     "\r\n--oo--\r\n--o--\r\n",
     "F0 Content-Type|E multipart/mixed|- --o^$|F1 Content-Type|E multipart/mixed|- --oo^$|E text/plain|C x|.|"
     "- ^$--oo--^$--o--^$|"},
    {"message", "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n<p>\r\n",
     "F0 Content-Type|E message/rfc822|F1 Subject|F1 Content-Type|E text/html|C <p>^$|.|"},
    {"encoded_message_is_a_leaf", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n",
     "F0 Content-Type|F0 Content-Transfer-Encoding|E message/rfc822|C AAAA^$|.|"},
    {"no_boundary", "Content-Type: multipart/mixed\r\n\r\nx\r\n", "F0 Content-Type|E multipart/mixed broken|C x^$|.|"},
    {"part_without_blank_line", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nA: b\r\n--b--\r\n",
     "F0 Content-Type|E multipart/mixed|- --b^$|F1 A|e text/plain|.|- --b--^$|"},
    {"digest_parts_are_messages",
     "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--\r\n",
     "F0 Content-Type|E multipart/digest|- --b^$|E message/rfc822|F2 Subject|E text/plain|C x|.|- ^$--b--^$|"},
    {"lone_cr_before_delimiter_line", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\ry\r\n\r\n--b--",
     "F0 Content-Type|E multipart/mixed|- --b^$|E text/plain|C x^^y^$|.|- ^$--b--|"},
};

} // namespace

TEST(MimeWalker, FindsTheStructureInAnySplit) {
    for (const auto& c : cases)
        for (std::size_t step = 1; step <= c.text.size(); ++step) {
            const Recorder r = walk(c.text, step);
            ASSERT_EQ(r.log, c.want) << c.name << " step " << step;
            ASSERT_EQ(r.all, c.text) << c.name << " step " << step;
        }
}

TEST(MimeWalker, LongLinesAndFieldsPassThrough) {
    const std::string text =
        "Subject: " + std::string(200000, 'x') + "\r\nA: b\r\n\r\n" + std::string(300000, 'y') + "\r\n";
    for (std::size_t step : {std::size_t{1000}, std::size_t{65536}, text.size()}) {
        const Recorder r = walk(text, step);
        EXPECT_EQ(r.all, text);
        EXPECT_NE(r.log.find("|F0 A|E text/plain|"), std::string::npos);
    }
}

TEST(MimeWalker, DeepNestingIsRefusedNotFollowed) {
    std::string text;
    for (int i = 0; i < 200; ++i) {
        const std::string b = "b" + std::to_string(i);
        text += "Content-Type: multipart/mixed; boundary=" + b + "x\r\n\r\n--" + b + "x\r\n";
    }
    const Recorder r = walk(text, 4096);
    EXPECT_EQ(r.all, text);
    EXPECT_NE(r.log.find("broken"), std::string::npos);
}

TEST(ContentType, Parses) {
    const auto t = parse_content_type(" Text/HTML (c;\"x\") ; Charset = \"a\\\"b\" ; boundary==_x/y;z");
    EXPECT_TRUE(t.is("text", "html"));
    EXPECT_EQ(t.parameter("charset"), "a\"b");
    EXPECT_EQ(t.parameter("boundary"), "=_x/y");
    EXPECT_TRUE(parse_content_type("garbage").is("text", "plain"));
    EXPECT_TRUE(parse_content_type("").is("text", "plain"));
}
