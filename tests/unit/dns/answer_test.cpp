// RDATA decoders: exact, or refused (DANE-004).
#include "danelaw/dns/answer.hpp"

#include <gtest/gtest.h>

namespace danelaw::dns {
namespace {

using std::string_view_literals::operator""sv;

TEST(ParseMx, ReadsPreferenceAndExchange) {
    auto mx = parse_mx("\x01\x02\2mx\7example\0"sv);
    ASSERT_TRUE(mx);
    EXPECT_EQ(mx->preference, 258);
    EXPECT_EQ(mx->exchange.text(), "mx.example");
    EXPECT_TRUE(mx->valid);
}

TEST(ParseMx, NullMxIsTheRoot) { // RFC 7505
    auto mx = parse_mx("\0\0\0"sv);
    ASSERT_TRUE(mx);
    EXPECT_TRUE(mx->exchange.empty());
    EXPECT_TRUE(mx->valid);
}

TEST(ParseMx, AddressesAndOddNamesAreNotHosts) { // DANE-031
    auto address = parse_mx("\0\x0a\3"
                            "192\1"
                            "0\1"
                            "2\1"
                            "7\0"sv);
    ASSERT_TRUE(address);
    EXPECT_EQ(address->exchange.text(), "192.0.2.7");
    EXPECT_FALSE(address->valid);
    auto odd = parse_mx("\0\x0a\3a b\0"sv);
    ASSERT_TRUE(odd);
    EXPECT_FALSE(odd->valid);
}

TEST(ParseMx, MalformedIsRefused) {
    EXPECT_FALSE(parse_mx(""sv));
    EXPECT_FALSE(parse_mx("\0\0"sv));
    EXPECT_FALSE(parse_mx("\0\0\2mx"sv));
    EXPECT_FALSE(parse_mx("\0\0\0\0"sv));
}

TEST(ParseTlsa, FieldsAsReceived) {
    auto tlsa = parse_tlsa("\3\1\1\xab\xcd"sv);
    ASSERT_TRUE(tlsa);
    EXPECT_EQ(tlsa->text(), "3 1 1 abcd");
    auto empty = parse_tlsa("\xff\xff\xff"sv); // unusable, but well-formed (DANE-062)
    ASSERT_TRUE(empty);
    EXPECT_EQ(empty->usage, 255);
    EXPECT_TRUE(empty->data.empty());
    EXPECT_FALSE(parse_tlsa("\3\1"sv));
}

TEST(ParseTxt, StringsAreJoinedWithoutBlank) {
    EXPECT_EQ(parse_txt("\3v=S\4TSv1"sv), "v=STSv1");
    EXPECT_EQ(parse_txt("\0"sv), "");
    EXPECT_FALSE(parse_txt(""sv));
    EXPECT_FALSE(parse_txt("\4abc"sv));
}

TEST(ParseAddress, LengthIsExact) {
    EXPECT_EQ(parse_a("\xc0\0\2\1"sv)->text(), "192.0.2.1");
    EXPECT_FALSE(parse_a("\xc0\0\2"sv));
    EXPECT_EQ(parse_aaaa("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"sv)->text(), "2001:db8::1");
    EXPECT_FALSE(parse_aaaa("\x20\1\xd\xb8"sv));
}

TEST(Answer, DefaultIsAFailure) { // DANE-004: fail closed
    const Answer<Mx> answer;
    EXPECT_TRUE(answer.failed());
    EXPECT_FALSE(answer.absent());
    EXPECT_EQ(word(Status::secure), "secure");
    EXPECT_EQ(word(Status::bogus), "bogus");
}

} // namespace
} // namespace danelaw::dns
