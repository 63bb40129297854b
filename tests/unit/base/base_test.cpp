// The small things that everything rests on.
#include "danelaw/base/id.hpp"
#include "danelaw/base/ip.hpp"
#include "danelaw/base/random.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/base/words.hpp"

#include <gtest/gtest.h>
#include <set>

namespace danelaw {
namespace {

TEST(Times, TextFormsRoundTrip) {
    const auto t = parse_rfc3339("2026-11-25T04:20:31.123Z");
    ASSERT_TRUE(t);
    EXPECT_EQ(rfc3339(*t), "2026-11-25T04:20:31.123Z");
    EXPECT_EQ(rfc5322_date(*t), "Wed, 25 Nov 2026 04:20:31 +0000");
    EXPECT_EQ(rfc3339(*parse_rfc3339("2026-11-25T04:20:31Z")), "2026-11-25T04:20:31.000Z");
    for (const auto* bad : {"", "2026", "2026-13-01T00:00:00Z", "2026-11-25T04:20:31", "2026-02-30T00:00:00Z",
                            "2026-11-25T04:20:31.Z", "2026-11-25T25:20:31Z"})
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

TEST(Times, Durations) {
    using namespace std::chrono_literals;
    const std::pair<const char*, Millis> rows[] = {{"500ms", 500ms}, {"30s", 30s},     {"5m", 5min}, {"4h", 4h},
                                                   {"5d", 120h},     {"1h30m", 90min}, {"0", 0ms}};
    for (const auto& [text, want] : rows) EXPECT_EQ(parse_duration(text), want) << text;
    for (const auto* bad : {"", "5", "5x", "m", "-5m", "5.5m", "99999999999999999999d", "1m x"})
        EXPECT_FALSE(parse_duration(bad)) << bad;
    EXPECT_EQ(duration_text(90min), "1h30m");
    EXPECT_EQ(duration_text(0ms), "0s");
    EXPECT_EQ(duration_text(120h), "5d");
}

TEST(Text, Numbers) {
    EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
    for (const auto* bad : {"", "18446744073709551616", "-1", "1e9", " 1", "+1"}) EXPECT_FALSE(parse_number(bad));
}

TEST(Text, SizesAndBack) {
    EXPECT_EQ(parse_size("50MiB"), Bytes{50} << 20);
    EXPECT_EQ(parse_size("64KiB"), Bytes{64} << 10);
    EXPECT_EQ(parse_size("1000000GiB"), Bytes{1000000} << 30);
    EXPECT_EQ(size_text(Bytes{50} << 20), "50MiB");
    EXPECT_EQ(size_text(1025), "1025");
    for (const auto* bad : {"", "MiB", "5MB", "99999999999TiB", "-1KiB"}) EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(Text, HexAndBase64RoundTrip) {
    SeededRng rng(1);
    for (int n = 0; n < 200; ++n) {
        std::string bytes(rng.below(70), '\0');
        for (auto& c : bytes) c = static_cast<char>(rng.below(256));
        EXPECT_EQ(unhex(hex(bytes)), bytes);
        EXPECT_EQ(unbase64(base64(bytes)), bytes);
    }
    EXPECT_EQ(unhex("0A 1b"), "\x0a\x1b");
    for (const auto* bad : {"0", "0x", "0 1"}) EXPECT_FALSE(unhex(bad)) << bad;
    for (const auto* bad : {"A", "AA=A", "A===", "AAA*", "AA==AAAA"}) EXPECT_FALSE(unbase64(bad)) << bad;
}

TEST(Text, PrintableEscapesWhatSteersTerminals) { // DANE-A21, SS-017
    EXPECT_EQ(printable("a\r\nb\x1b[2J\x7f"), "a\\x0d\\x0ab\\x1b[2J\\x7f");
    EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
    EXPECT_EQ(printable("\xff"), "\\xff");
    EXPECT_EQ(printable(std::string(10, 'x'), 4), "xxxx...");
}

TEST(Text, Utf8IsStrict) { // SS-048
    for (const auto* good : {"", "abc", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) EXPECT_TRUE(is_utf8(good));
    for (const auto* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf5\x80\x80\x80"})
        EXPECT_FALSE(is_utf8(bad));
}

TEST(Text, SuggestsTheNearWord) {
    const std::vector<std::string> known{"address", "certificate", "private_key"};
    EXPECT_EQ(suggestion("adress", known), "address");
    EXPECT_EQ(suggestion("privatekey", known), "private_key");
    EXPECT_EQ(suggestion("zzz", known), "");
}

TEST(Ids, AreUniqueOrderedAndSafe) { // DQ-009
    std::set<std::string> seen;
    const auto t = *parse_rfc3339("2026-11-25T04:20:31.123Z");
    for (int n = 0; n < 10000; ++n) EXPECT_TRUE(seen.insert(new_queue_id(t)).second);
    EXPECT_TRUE(is_queue_id(*seen.begin()));
    EXPECT_LT(new_queue_id(t), new_queue_id(t + Millis{1}));
    EXPECT_FALSE(is_queue_id("../../etc/passwd"));
}

TEST(Ips, ParseAndPrint) { // SS-092
    const std::pair<const char*, const char*> rows[] = {{"192.0.2.1", "192.0.2.1"},
                                                        {"::ffff:10.0.0.1", "10.0.0.1"},
                                                        {"2001:DB8::0:1", "2001:db8::1"},
                                                        {"fe80::1%eth0", "fe80::1"},
                                                        {"::1", "::1"}};
    for (const auto& [in, out] : rows) {
        const auto a = IpAddress::parse(in);
        ASSERT_TRUE(a) << in;
        EXPECT_EQ(a->text(), out);
    }
    for (const auto* bad : {"", "192.0.2", "192.0.2.1%x", "1::2::3", "mx"}) EXPECT_FALSE(IpAddress::parse(bad)) << bad;
}

TEST(Ips, EndpointsParseAndPrint) {
    for (const auto* text : {"192.0.2.1:25", "[2001:db8::1]:65535", "[::]:0"})
        EXPECT_EQ(Endpoint::parse(text).value_or(Endpoint{}).text(), text);
    EXPECT_EQ(Endpoint::parse("[0:0::1]:25"), Endpoint::parse("[::1]:25"));
    EXPECT_EQ(Endpoint::parse("[::ffff:192.0.2.1]:25"), Endpoint::parse("192.0.2.1:25")); // SS-092
    for (const auto* bad : {"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:+1", "::1:25",
                            "[192.0.2.1]:25", "[::1]", "[::1]25", "[]:25", "mx:25", "unix:/x"})
        EXPECT_FALSE(Endpoint::parse(bad)) << bad;
}

TEST(Ips, PrefixesAreExact) { // SS-092
    const auto p = IpPrefix::parse("10.0.0.0/9");
    ASSERT_TRUE(p);
    EXPECT_TRUE(p->contains(*IpAddress::parse("10.127.255.255")));
    EXPECT_FALSE(p->contains(*IpAddress::parse("10.128.0.0")));
    EXPECT_TRUE(p->contains(*IpAddress::parse("::ffff:10.0.0.1")));
    EXPECT_FALSE(IpPrefix::parse("10.0.0.1/8"));
    EXPECT_FALSE(IpPrefix::parse("10.0.0.0/33"));
    EXPECT_TRUE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("2001:db8::1")));
    EXPECT_FALSE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("10.0.0.1")));
}

TEST(Words, EveryReasonHasOneWordAndBack) {
    for (int n = 0; n <= static_cast<int>(Reason::policy_hold); ++n) {
        const auto r = static_cast<Reason>(n);
        EXPECT_EQ(reason_from(word(r)), r);
        EXPECT_EQ(r == Reason::none, word(r).empty());
    }
    for (int n = 0; n <= static_cast<int>(Level::pkix); ++n)
        EXPECT_EQ(level_from(word(static_cast<Level>(n))), static_cast<Level>(n));
    for (int n = 0; n <= static_cast<int>(TlsPolicy::verify); ++n)
        EXPECT_EQ(tls_policy_from(word(static_cast<TlsPolicy>(n))), static_cast<TlsPolicy>(n));
}

TEST(Words, WhatIsAboutTheMessageAlone) { // SC-071, SC-077, SC-120
    const std::set<Reason> about = {Reason::requiretls_unsupported, Reason::smtputf8_unsupported,
                                    Reason::eight_bit_mime_unsupported, Reason::message_too_large};
    for (int n = 0; n <= static_cast<int>(Reason::policy_hold); ++n) {
        const auto r = static_cast<Reason>(n);
        EXPECT_EQ(is_about_message(r), about.contains(r)) << word(r);
    }
}

TEST(Words, StatusCodesOfReasons) { // SC-096
    const std::pair<Reason, const char*> rows[] = {
        {Reason::starttls_not_supported, "7.4"}, {Reason::tlsa_invalid, "7.5"}, {Reason::domain_not_found, "1.2"},
        {Reason::no_mail_service, "1.10"},       {Reason::mail_loop, "4.6"},    {Reason::smtputf8_unsupported, "6.7"}};
    for (const auto& [reason, want] : rows) EXPECT_EQ(status_detail(reason), want);
}

} // namespace
} // namespace danelaw
