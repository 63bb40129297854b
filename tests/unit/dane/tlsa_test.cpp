// Which TLSA records count (DANE-060…074).
#include "danelaw/dane/tlsa.hpp"

#include "facts_support.hpp"

#include <gtest/gtest.h>

namespace danelaw::dane::testing {
namespace {

TEST(Usable, OverAll256ValuesOfEachField) { // DANE-060, DANE-061, DANE-072
    for (unsigned value = 0; value < 256; ++value) {
        const auto v = static_cast<std::uint8_t>(value);
        EXPECT_EQ(usable({v, 1, 1, std::string(32, 'x')}), v == 2 || v == 3) << "usage " << value;
        EXPECT_EQ(usable({3, v, 1, std::string(32, 'x')}), v <= 1) << "selector " << value;
        EXPECT_EQ(usable({3, 1, v, std::string(32, 'x')}), v == 1) << "matching " << value;
        EXPECT_EQ(usable({3, 1, v, std::string(64, 'x')}), v == 2) << "matching " << value;
    }
}

TEST(Usable, DigestsMustHaveTheirLength) { // DANE-062
    for (std::size_t length = 0; length <= 100; ++length) {
        EXPECT_EQ(usable({2, 0, 1, std::string(length, 'x')}), length == 32) << length;
        EXPECT_EQ(usable({2, 0, 2, std::string(length, 'x')}), length == 64) << length;
    }
}

TEST(Usable, FullDataIsExactlyOneDerValue) { // DANE-062
    const auto& cert = certificate_der();
    const auto key = public_key_der();
    for (const std::uint8_t usage : {std::uint8_t{2}, std::uint8_t{3}}) {
        EXPECT_TRUE(usable({usage, 0, 0, cert}));
        EXPECT_TRUE(usable({usage, 1, 0, key}));
        EXPECT_FALSE(usable({usage, 0, 0, key})) << "a key is no certificate";
        EXPECT_FALSE(usable({usage, 1, 0, cert})) << "a certificate is no key";
        EXPECT_FALSE(usable({usage, 0, 0, cert + std::string(1, '\0')})) << "trailing octet";
        EXPECT_FALSE(usable({usage, 1, 0, key + key})) << "two values";
        EXPECT_FALSE(usable({usage, 0, 0, cert.substr(0, cert.size() - 1)})) << "cut";
        EXPECT_FALSE(usable({usage, 1, 0, ""}));
        EXPECT_FALSE(usable({usage, 0, 0, "garbage"}));
    }
}

TEST(Usable, ADigestRuledOutHereIsUnusable) { // DANE-063
    EXPECT_FALSE(usable(tlsa(3, 1, 2), {{1}}));
    EXPECT_TRUE(usable(tlsa(3, 1, 1), {{1}}));
    EXPECT_FALSE(usable(tlsa(3, 1, 1), {{}}));
    EXPECT_TRUE(usable({3, 0, 0, certificate_der()}, {{}})) << "full data needs no digest";
}

struct AgilityRow {
    const char* name;
    std::vector<dns::Tlsa> rrset;
    DigestOrder digests;
    std::vector<dns::Tlsa> want;
};

TEST(Effective, DigestAgility) {
    const auto a = tlsa(3, 1, 1, 'a'), b = tlsa(3, 1, 2, 'b'), other_selector = tlsa(3, 0, 2, 'c');
    const auto ta = tlsa(2, 1, 1, 'd'), short_512 = dns::Tlsa{3, 1, 2, "short"};
    const dns::Tlsa full{3, 1, 0, public_key_der()};
    const AgilityRow rows[] = {
        {"DANE-067 the weaker digest of the same usage and selector does not count", {a, b}, {}, {b}},
        {"DANE-067 order in the RRset does not matter", {b, a}, {}, {b}},
        {"DANE-067 another selector has its own strongest", {a, other_selector}, {}, {a, other_selector}},
        {"DANE-067 another usage has its own strongest", {ta, b}, {}, {ta, b}},
        {"DANE-068 an unusable stronger one beats nothing", {a, short_512}, {}, {a}},
        {"DANE-068 a stronger one of usage 1 beats nothing", {a, tlsa(1, 1, 2)}, {}, {a}},
        {"DANE-069 full data always counts, beside the strongest digest", {full, a, b}, {}, {full, b}},
        {"DANE-070 the order can be reversed", {a, b}, {{1, 2}}, {a}},
        {"DANE-063 a digest ruled out beats nothing", {a, b}, {{1}}, {a}},
        {"DANE-143 several of one kind all count, once each", {a, tlsa(3, 1, 1, 'z'), a}, {}, {a, tlsa(3, 1, 1, 'z')}},
        {"DANE-064 none usable", {tlsa(0, 0, 1), tlsa(1, 1, 1), short_512}, {}, {}},
        {"DANE-061 1 1 1 beside a 3 1 1 leaves that alone", {tlsa(1, 1, 1), a}, {}, {a}},
    };
    for (const auto& row : rows) EXPECT_EQ(effective(row.rrset, row.digests), row.want) << row.name;
}

} // namespace
} // namespace danelaw::dane::testing
