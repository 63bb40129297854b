// Who may relay, who may log in, how often: SS-025, SS-083, SS-086, SS-090, SS-092.
#include "danelaw/relay/access.hpp"

#include "../../../src/relay/doorman.hpp"
#include "../../../src/relay/throttle.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace danelaw::relay {
namespace {

using namespace std::chrono_literals;

TEST(Right, Table) {
    const std::vector<IpPrefix> allow{*IpPrefix::parse("127.0.0.0/8"), *IpPrefix::parse("10.0.0.0/9"),
                                      *IpPrefix::parse("2001:db8::/33")};
    struct Row {
        const char* address;
        Right want;
    };
    for (const auto& row : std::vector<Row>{{"127.0.0.1", Right::address},
                                            {"127.255.255.255", Right::address},
                                            {"128.0.0.0", Right::none},
                                            {"10.127.255.255", Right::address},
                                            {"10.128.0.0", Right::none},
                                            {"::ffff:10.0.0.1", Right::address}, // SS-092
                                            {"::ffff:10.200.0.1", Right::none},
                                            {"2001:db8:7fff::1", Right::address},
                                            {"2001:db8:8000::1", Right::none},
                                            {"::1", Right::none}}) {
        ClientFacts client{false, IpAddress::parse(row.address), false, false};
        EXPECT_EQ(right_of(client, allow), row.want) << row.address;
    }
    EXPECT_EQ(right_of({true, std::nullopt, false, false}, {}), Right::unix_socket);
    EXPECT_EQ(right_of({false, std::nullopt, false, false}, allow), Right::none);
    EXPECT_EQ(right_of({false, IpAddress::parse("192.0.2.1"), true, false}, {}), Right::user);
    EXPECT_EQ(right_of({false, IpAddress::parse("192.0.2.1"), false, true}, {}), Right::certificate);
}

TEST(Users, FileAndCheck) {
    auto users = Users::parse("# c\n\ntim:$5$saltsalt$AHEKnDWlz30naxZICwx9iP.q/8kkh.5vY4KFHIo4Rn8:more\r\n");
    ASSERT_TRUE(users) << users.error().detail;
    EXPECT_TRUE(users->check("tim", "tanstaaf"));
    EXPECT_FALSE(users->check("tim", "tanstaaF"));
    EXPECT_FALSE(users->check("tim", ""));
    EXPECT_FALSE(users->check("Tim", "tanstaaf"));
    EXPECT_FALSE(users->check("tim", std::string("tanstaaf\0x", 10))); // crypt() would stop at the NUL
    EXPECT_FALSE(users->check("", "tanstaaf"));
    for (const char* bad : {"tim", ":x", "tim:plain", "a:$5$saltsalt$x\na:$5$saltsalt$x", "tim:"}) {
        auto refused = Users::parse(bad);
        ASSERT_FALSE(refused) << bad;
        EXPECT_EQ(refused.error().detail.find("plain"), std::string::npos) << "the file's secrets stay in it";
    }
    EXPECT_FALSE(Users::parse("")->check("tim", "x"));
}

// SS-083: an unknown user costs what a known one does, within a factor that noise explains.
TEST(Users, UnknownCostsTheSame) {
    auto users = Users::parse("tim:$6$rounds=20000$saltsalt$x\n");
    ASSERT_TRUE(users);
    auto cost = [&](const char* user) {
        std::clock_t best = std::numeric_limits<std::clock_t>::max();
        for (int i = 0; i < 5; ++i) {
            auto began = std::clock();
            users->check(user, "guess");
            best = std::min(best, std::clock() - began);
        }
        return best;
    };
    auto known = cost("tim"), unknown = cost("nobody");
    EXPECT_LT(known, 2 * unknown);
    EXPECT_LT(unknown, 2 * known);
}

TEST(Throttle, StrangersLockNobodyOut) { // SS-086
    Throttle throttle;
    Time now(1'700'000'000s);
    for (int i = 0; i < 1000; ++i) throttle.failed("192.0.2." + std::to_string(i % 200), "tim", now);
    EXPECT_TRUE(throttle.allows("198.51.100.1", "tim", now));
    Throttle one;
    for (int i = 0; i < Throttle::per_user; ++i) {
        EXPECT_TRUE(one.allows("192.0.2.1", "tim", now));
        one.failed("192.0.2.1", "tim", now);
    }
    EXPECT_FALSE(one.allows("192.0.2.1", "tim", now));
    EXPECT_TRUE(one.allows("192.0.2.1", "tom", now));
    for (int i = 0; i < Throttle::per_address; ++i) one.failed("192.0.2.1", "u" + std::to_string(i), now);
    EXPECT_FALSE(one.allows("192.0.2.1", "tom", now));
    EXPECT_TRUE(one.allows("192.0.2.1", "tom", now + Throttle::window));
}

TEST(Throttle, AnIpv6ClientIsItsNetwork) { // SS-086: it has 2^64 addresses to fail from
    const auto origin = [](const char* address) { return origin_of(*IpAddress::parse(address)); };
    EXPECT_EQ(origin("2001:db8:0:1::7"), origin("2001:db8:0:1:ffff::9"));
    EXPECT_NE(origin("2001:db8:0:1::7"), origin("2001:db8:0:2::7"));
    EXPECT_NE(origin("192.0.2.1"), origin("192.0.2.2"));
    EXPECT_EQ(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
}

TEST(Throttle, IsBounded) {
    Throttle throttle;
    Time now(1'700'000'000s);
    for (std::size_t i = 0; i < 2 * Throttle::entries; ++i) throttle.failed("a" + std::to_string(i), "u", now);
    EXPECT_LE(throttle.size(), Throttle::entries);
}

TEST(Doorman, CountsAndForgets) { // SS-025
    Doorman doorman;
    EXPECT_TRUE(doorman.enter(2));
    EXPECT_TRUE(doorman.enter(2));
    EXPECT_FALSE(doorman.enter(2));
    doorman.leave();
    EXPECT_TRUE(doorman.enter(2));
    EXPECT_TRUE(doorman.enter_client("a", 1));
    EXPECT_FALSE(doorman.enter_client("a", 1));
    EXPECT_TRUE(doorman.enter_client("b", 1));
    doorman.leave_client("a");
    doorman.leave_client("b");
    EXPECT_EQ(doorman.clients(), 0u);
}

} // namespace
} // namespace danelaw::relay
