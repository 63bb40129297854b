// Addresses and paths: SS-006…SS-009, SS-010, SS-094, SC-084, D-18, H153, H154.
#include "danelaw/smtp/address.hpp"

#include "danelaw/smtp/xtext.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace danelaw::smtp {
namespace {

std::string path(std::string_view text, Syntax syntax) {
    auto rest = text;
    auto found = take_path(rest, syntax);
    if (!found) return "error";
    return '<' + found->text() + '>' + std::string(rest);
}

TEST(Path, Table) {
    struct Row {
        const char* name;
        std::string text, strict, sloppy;
    };
    const std::string long_local(64, 'l'), long_label(63, 'd');
    const std::vector<Row> rows{
        {"plain", "<a@b.test>", "<a@b.test>", "<a@b.test>"},
        {"parameters follow", "<a@b.test> SIZE=1", "<a@b.test> SIZE=1", "<a@b.test> SIZE=1"},
        {"null", "<>", "<>", "<>"},
        {"null with parameters", "<> BODY=7BIT", "<> BODY=7BIT", "<> BODY=7BIT"},
        {"case kept", "<Foo@x.test>", "<Foo@x.test>", "<Foo@x.test>"},
        {"D-18 blank", " <a@b.test>", "error", "<a@b.test>"},
        {"D-18 no brackets", "a@b.test SIZE=1", "error", "<a@b.test> SIZE=1"},
        {"D-18 blank, no brackets", " c@d.test", "error", "<c@d.test>"},
        {"H154 trailing dot", "<ilo.@host.test>", "error", "<\"ilo.\"@host.test>"},
        {"H154 double dot", "<a..b@host.test>", "error", "<\"a..b\"@host.test>"},
        {"leading dot", "<.a@host.test>", "error", "<\".a\"@host.test>"},
        {"SS-009 route", "<@a.test,@b.test:u@d.test>", "<u@d.test>", "<u@d.test>"},
        {"SS-009 route of one", "<@r:u@x.test>", "<u@x.test>", "<u@x.test>"},
        {"route without colon", "<@a.test,u@d.test>", "error", "error"},
        {"route alone", "<@a.test:>", "error", "error"},
        {"SS-009 percent", "<u%x@d.test>", "<u%x@d.test>", "<u%x@d.test>"},
        {"SS-009 bang", "<x!u@d.test>", "<x!u@d.test>", "<x!u@d.test>"},
        {"SS-007 quoted blank", "<\"a b\"@d.test>", "<\"a b\"@d.test>", "<\"a b\"@d.test>"},
        {"SS-007 quoted at", "<\"a@b\"@d.test>", "<\"a@b\"@d.test>", "<\"a@b\"@d.test>"},
        {"SS-007 empty quoted", "<\"\"@d.test>", "<\"\"@d.test>", "<\"\"@d.test>"},
        {"quoted bracket", "<\"a>b\"@d.test>", "<\"a>b\"@d.test>", "<\"a>b\"@d.test>"},
        {"quoted pair", R"(<"a\"b"@d.test>)", R"(<"a\"b"@d.test>)", R"(<"a\"b"@d.test>)"},
        {"SS-094 unbalanced quote", "<\"a@d.test>", "error", "error"},
        {"two ats", "<a@b@c.test>", "error", "error"},
        {"no domain", "<a>", "error", "error"},
        {"empty domain", "<a@>", "error", "error"},
        {"empty local", "<@d.test>", "error", "error"},
        {"SS-008 IPv4", "<a@[192.0.2.1]>", "<a@[192.0.2.1]>", "<a@[192.0.2.1]>"},
        {"SS-008 IPv6", "<a@[IPv6:2001:db8::1]>", "<a@[IPv6:2001:db8::1]>", "<a@[IPv6:2001:db8::1]>"},
        {"SS-008 IPv6 without tag", "<a@[2001:db8::1]>", "error", "error"},
        {"SS-008 general", "<a@[x:y]>", "error", "error"},
        {"SS-008 bad v4", "<a@[1.2.3]>", "error", "error"},
        {"SS-094 NUL in a literal", std::string("<a@[1.2.3.4\0]>", 14), "error", "error"},
        {"open literal", "<a@[1.2.3.4>", "error", "error"},
        {"SS-008 final dot", "<a@d.test.>", "error", "error"},
        {"double dot in domain", "<a@d..test>", "error", "error"},
        {"underscore", "<a@x_y.test>", "<a@x_y.test>", "<a@x_y.test>"},
        {"label of 63", "<a@" + long_label + ".test>", "<a@" + long_label + ".test>", "<a@" + long_label + ".test>"},
        {"label of 64", "<a@x" + long_label + ".test>", "error", "error"},
        {"SS-020 local of 64", "<" + long_local + "@d.test>", "<" + long_local + "@d.test>",
         "<" + long_local + "@d.test>"},
        {"SS-010", "<Postmaster>", "<Postmaster>", "<Postmaster>"},
        {"SS-094 NUL", std::string("<a\0@d.test>", 11), "error", "error"},
        {"SS-094 CR", "<a\r@d.test>", "error", "error"},
        {"SS-042 LF in a quoted string", "<\"a\n\"@d.test>", "error", "error"},
        {"open bracket", "<a@d.test", "error", "error"},
        {"text after", "<a@d.test>x", "error", "error"},
        {"close without open", "a@d.test>", "error", "error"},
        {"UTF-8", "<\xc3\xbc@d.test>", "<\xc3\xbc@d.test>", "<\xc3\xbc@d.test>"},
        {"U-label",
         "<a@b\xc3\xbc"
         "cher.test>",
         "<a@b\xc3\xbc"
         "cher.test>",
         "<a@b\xc3\xbc"
         "cher.test>"},
        {"SS-048 overlong", "<\xc0\xaf@d.test>", "error", "error"},
        {"SS-048 surrogate", "<\xed\xa0\x80@d.test>", "error", "error"},
        {"nothing", "", "error", "error"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(path(row.text, Syntax::strict), row.strict) << row.name;
        EXPECT_EQ(path(row.text, Syntax::sloppy), row.sloppy) << row.name;
    }
}

// SS-007: equal forms compare equal, local parts keep their case.
TEST(Mailbox, Equality) {
    struct Row {
        const char *a, *b;
        bool same;
    };
    const std::vector<Row> rows{
        {"a@d.test", "\"a\"@d.test", true},
        {"a@d.test", "\"\\a\"@D.TEST", true},
        {"a@d.test", "A@d.test", false},
        {"\"a b\"@d.test", "\"a\\ b\"@d.test", true},
        {"a@b\xc3\xbc"
         "cher.test",
         "a@xn--bcher-kva.test", true},
        {"a@[IPv6:::1]", "a@[ipv6:0:0:0:0:0:0:0:1]", true},
        {"a@d.test", "a@e.test", false},
    };
    for (const auto& row : rows) {
        auto a = parse_mailbox(row.a), b = parse_mailbox(row.b);
        ASSERT_TRUE(a && b) << row.a << ' ' << row.b;
        EXPECT_EQ(a->same_as(*b), row.same) << row.a << ' ' << row.b;
    }
}

TEST(Lane, IsTheDomainInOneForm) {
    EXPECT_EQ(lane_of("a@D.Test"), "d.test");
    EXPECT_EQ(lane_of("\"x@y\"@d.test"), "d.test");
    EXPECT_EQ(lane_of("a@b\xc3\xbc"
                      "cher.test"),
              "xn--bcher-kva.test");
    EXPECT_EQ(lane_of("a@[192.0.2.1]"), "[192.0.2.1]");
    EXPECT_EQ(lane_of("a@[IPv6:2001:DB8:0::1]"), "[2001:db8::1]");
    EXPECT_EQ(lane_of("postmaster"), "");
    EXPECT_EQ(literal_of_lane("[2001:db8::1]")->text(), "2001:db8::1");
    EXPECT_FALSE(literal_of_lane("d.test"));
}

// SC-077: only the local part needs SMTPUTF8.
TEST(Utf8, WhoNeedsIt) {
    EXPECT_FALSE(needs_smtputf8("a@b\xc3\xbc"
                                "cher.test"));
    EXPECT_TRUE(needs_smtputf8("\xc3\xbc@d.test"));
    EXPECT_EQ(wire_form("a@b\xc3\xbc"
                        "cher.test"),
              "a@xn--bcher-kva.test");
    EXPECT_EQ(wire_form("\xc3\xbc@b\xc3\xbc"
                        "cher.test"),
              "\xc3\xbc@b\xc3\xbc"
              "cher.test");
    EXPECT_EQ(wire_form(""), "");
}

TEST(Xtext, RoundTripsEveryOctet) {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    EXPECT_EQ(from_xtext(xtext(all)), all);
    EXPECT_EQ(xtext("a+b=c d"), "a+2Bb+3Dc+20d");
    EXPECT_EQ(from_xtext("a+2bb"), "a+b");
    for (const char* bad : {"a=b", "a+", "a+2", "a+2G", "a b", "a+ 2", "\xc3\xbc"})
        EXPECT_FALSE(from_xtext(bad)) << bad;
}

} // namespace
} // namespace danelaw::smtp
