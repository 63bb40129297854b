// Names: one canonical form (DANE-054), and nothing but names gets in.
#include "danelaw/dns/name.hpp"

#include <gtest/gtest.h>

namespace danelaw::dns {
namespace {

std::string from(std::string_view text) {
    auto name = Name::from(text);
    return name ? name->text() : "refused";
}

TEST(Name, CanonicalFormIsLowerCaseALabelsWithoutDot) { // DANE-054
    struct Row {
        std::string_view text, want;
    };
    const Row rows[] = {
        {"mx.example.org", "mx.example.org"},
        {"MX.Example.ORG.", "mx.example.org"},
        {"bücher.example", "xn--bcher-kva.example"},
        {"BÜCHER.example", "xn--bcher-kva.example"},
        {"faß.example", "xn--fa-hia.example"}, // non-transitional: not "fass"
        {"例え。テスト", "xn--r8jz45g.xn--zckzah"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
        {"_25._tcp.mx.example", "_25._tcp.mx.example"},
        {"_mta-sts.bücher.example", "_mta-sts.xn--bcher-kva.example"},
        {"localhost", "localhost"},
        {".", ""},
        {"", "refused"},
        {"..", "refused"},
        {"a..b", "refused"},
        {".a", "refused"},
        {"a.b..", "refused"},
        {"a b.example", "refused"},
        {"a\tb.example", "refused"},
        {"a\\.b", "refused"},
        {"a@b", "refused"},
        {"\xff.example", "refused"},
        {"*.example", "refused"},
    };
    for (const Row& row : rows) EXPECT_EQ(from(row.text), row.want) << row.text;
    EXPECT_EQ(from(std::string_view("a\0b", 3)), "refused");
}

TEST(Name, LengthsAreBounded) {
    const std::string label(63, 'a');
    EXPECT_EQ(from(label), label);
    EXPECT_EQ(from(label + "a"), "refused");
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
    ASSERT_EQ(longest.size(), 253u);
    EXPECT_EQ(from(longest), longest);
    EXPECT_EQ(from(longest + "b"), "refused");
}

TEST(Name, WireFormIsReadExactly) {
    auto name = Name::from_wire(std::string_view("\2MX\7example\0", 12));
    ASSERT_TRUE(name);
    EXPECT_EQ(name->text(), "mx.example");
    EXPECT_TRUE(name->is_host());
    auto root = Name::from_wire(std::string_view("\0", 1));
    ASSERT_TRUE(root);
    EXPECT_TRUE(root->empty());
    EXPECT_FALSE(root->is_host());
    EXPECT_FALSE(Name::from_wire(""));
    EXPECT_FALSE(Name::from_wire(std::string_view("\2MX", 3)));     // no root label
    EXPECT_FALSE(Name::from_wire(std::string_view("\2MX\0x", 5)));  // octets behind it
    EXPECT_FALSE(Name::from_wire(std::string_view("\3MX\0", 4)));   // label longer than the data
    EXPECT_FALSE(Name::from_wire(std::string_view("\xc0\x0c", 2))); // compression pointer
}

TEST(Name, OddOctetsAreEscapedAndNotHosts) {
    auto name = Name::from_wire(std::string_view("\3a.b\7<x> \\\"\n\0", 13));
    ASSERT_TRUE(name);
    EXPECT_EQ(name->text(), "a\\046b.\\060x\\062\\032\\092\\034\\010");
    EXPECT_FALSE(name->is_host());
}

TEST(Name, EndsWithComparesLabels) {
    const Name name = *Name::from("mx.example.org");
    EXPECT_TRUE(name.ends_with(*Name::from("example.org")));
    EXPECT_TRUE(name.ends_with(name));
    EXPECT_TRUE(name.ends_with(Name{}));
    EXPECT_FALSE(name.ends_with(*Name::from("ample.org")));
    EXPECT_FALSE(name.ends_with(*Name::from("a.mx.example.org")));
}

TEST(Name, UnicodeFormForPeople) {
    EXPECT_EQ(Name::from("xn--bcher-kva.example")->unicode(), "bücher.example");
    EXPECT_EQ(Name::from("mx.example")->unicode(), "mx.example");
    EXPECT_EQ(Name::from("xn--99999999999.example")->unicode(), "xn--99999999999.example");
}

TEST(Name, TlsaOwnerHasThePortDialled) { // DANE-049
    EXPECT_EQ(tlsa_owner(*Name::from("mx.example"), 25).text(), "_25._tcp.mx.example");
    EXPECT_EQ(tlsa_owner(*Name::from("mx.example"), 2525).text(), "_2525._tcp.mx.example");
    const std::string label(63, 'a');
    const Name longest = *Name::from(label + "." + label + "." + label + "." + std::string(61, 'b'));
    EXPECT_TRUE(tlsa_owner(longest, 25).ends_with(longest)); // too long for the DNS, but never another name
}

} // namespace
} // namespace danelaw::dns
