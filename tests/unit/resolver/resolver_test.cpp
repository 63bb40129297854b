// The resolver against a name server that says what the test wants. No zone is signed here: DNSSEC itself is tested in
// the private internet of tests/world.
#include "danelaw/resolver/resolver.hpp"

#include "resolver/dns_support.hpp"

#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

namespace danelaw::resolver {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using namespace boost::asio::experimental::awaitable_operators;

constexpr std::uint16_t type_a = 1, type_cname = 5, type_mx = 15, type_txt = 16, type_aaaa = 28, type_tlsa = 52;

template <class T> T run(boost::asio::io_context& io, Task<T> task) {
    std::optional<T> result;
    auto done = [&](std::exception_ptr thrown, T value) {
        if (thrown) std::rethrow_exception(thrown);
        result.emplace(std::move(value));
        io.stop();
    };
    boost::asio::co_spawn(io, std::move(task), done);
    io.restart();
    io.run();
    return std::move(*result);
}

struct Fixture : ::testing::Test {
    Options options() {
        Options o;
        o.stub_zones.push_back({"test", {server.at()}});
        o.timeout = 5s;
        return o;
    }
    std::unique_ptr<Resolver> make(Options o) {
        auto made = make_unbound(io.get_executor(), std::move(o));
        EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().detail);
        return made ? std::move(*made) : nullptr;
    }
    void says(const std::string& name, std::uint16_t type, std::vector<std::string> rdata, std::uint32_t ttl = 60) {
        Reply reply;
        for (auto& r : rdata) reply.answers.push_back({name, type, std::move(r), ttl});
        server.say(name, type, std::move(reply));
    }
    void says_rcode(const std::string& name, std::uint16_t type, int rcode) {
        Reply reply;
        reply.rcode = rcode;
        server.say(name, type, std::move(reply));
    }
    void alias(const std::string& name, std::uint16_t type, const std::string& target) {
        Reply reply;
        reply.answers.push_back({name, type_cname, wire_name(target)});
        server.say(name, type, reply);
    }

    NameServer server;
    boost::asio::io_context io;
};
using Lookup = Fixture;

dns::Name name(std::string_view text) {
    return dns::Name::from(text).value();
}

TEST_F(Lookup, DataOfEachType) {
    says("mail.test", type_mx,
         {std::string("\0\x0a", 2) + wire_name("mx.mail.test"), std::string("\0\x05", 2) + wire_name("b.test")});
    says("mx.mail.test", type_a, {"\x7f\x01\x02\x03"}, 7);
    says("mx.mail.test", type_aaaa, {std::string(15, '\0') + "\1"});
    says("_25._tcp.mx.mail.test", type_tlsa, {"\3\1\1\xab"});
    says("_mta-sts.mail.test", type_txt, {"\3v=S\2TS"});
    auto resolver = make(options());
    auto mx = run(io, resolver->mx(name("Mail.Test")));
    EXPECT_EQ(mx.status, dns::Status::insecure);
    EXPECT_EQ(mx.records.size(), 2u);
    EXPECT_EQ(mx.canonical.text(), "mail.test");
    EXPECT_FALSE(mx.aliased);
    auto a = run(io, resolver->a(name("mx.mail.test")));
    ASSERT_EQ(a.records.size(), 1u);
    EXPECT_EQ(a.records[0].text(), "127.1.2.3");
    EXPECT_LE(a.ttl, 7s);
    EXPECT_EQ(run(io, resolver->aaaa(name("mx.mail.test"))).records.at(0).text(), "::1");
    EXPECT_EQ(run(io, resolver->tlsa(dns::tlsa_owner(name("mx.mail.test"), 25))).records.at(0).text(), "3 1 1 ab");
    EXPECT_EQ(run(io, resolver->txt(name("_mta-sts.mail.test"))).records.at(0), "v=STS");
    EXPECT_EQ(resolver->counters().insecure, 5u);
    EXPECT_EQ(resolver->counters().in_flight, 0u);
}

TEST_F(Lookup, AbsenceIsAnAnswer) { // DANE-005
    says("mail.test", type_mx, {});
    auto resolver = make(options());
    auto nodata = run(io, resolver->mx(name("mail.test")));
    EXPECT_TRUE(nodata.absent());
    EXPECT_EQ(nodata.absence, dns::Absence::nodata);
    EXPECT_LE(nodata.ttl, 5s); // DANE-013: the SOA's minimum
    auto nxdomain = run(io, resolver->mx(name("nothing.test")));
    EXPECT_TRUE(nxdomain.absent());
    EXPECT_EQ(nxdomain.absence, dns::Absence::nxdomain);
}

TEST_F(Lookup, ServerFaultsAreFailuresNeverAbsences) { // DANE-004
    for (const int rcode : {1, 2, 4, 5, 9}) says_rcode("r" + std::to_string(rcode) + ".test", type_tlsa, rcode);
    auto resolver = make(options());
    for (const int rcode : {1, 2, 4, 5, 9}) {
        auto answer = run(io, resolver->tlsa(name("r" + std::to_string(rcode) + ".test")));
        EXPECT_EQ(answer.status, dns::Status::error) << rcode;
        EXPECT_FALSE(answer.absent());
        EXPECT_NE(answer.why, "");
    }
    EXPECT_EQ(resolver->counters().error, 5u);
}

TEST_F(Lookup, MalformedRecordsAreFailures) { // DANE-004
    says("short.test", type_tlsa, {"\3\1"});
    says("mixed.test", type_tlsa, {"\3\1\1\xab", "\3"});
    says("three.test", type_a, {"\x7f\1\1"});
    says("txt.test", type_txt, {"\x09v"});
    auto resolver = make(options());
    EXPECT_EQ(run(io, resolver->tlsa(name("short.test"))).status, dns::Status::error);
    auto mixed = run(io, resolver->tlsa(name("mixed.test")));
    EXPECT_EQ(mixed.status, dns::Status::error);
    EXPECT_TRUE(mixed.records.empty());
    EXPECT_EQ(run(io, resolver->a(name("three.test"))).status, dns::Status::error);
    EXPECT_EQ(run(io, resolver->txt(name("txt.test"))).status, dns::Status::error);
}

TEST_F(Lookup, AliasesAreFollowedAndTold) { // DANE-008, DANE-009
    alias("mx.test", type_a, "two.test");   // without the target's data
    alias("two.test", type_a, "three.test");
    says("three.test", type_a, {"\x7f\1\1\1"});
    alias("mx.test", type_cname, "two.test");
    says("three.test", type_cname, {});
    auto resolver = make(options());
    auto a = run(io, resolver->a(name("mx.test")));
    EXPECT_EQ(a.status, dns::Status::insecure);
    EXPECT_TRUE(a.aliased);
    EXPECT_EQ(a.canonical.text(), "three.test");
    EXPECT_EQ(a.records.size(), 1u);
    auto first = run(io, resolver->cname(name("mx.test")));
    EXPECT_EQ(first.records.at(0).text(), "two.test");
    EXPECT_EQ(first.canonical.text(), "mx.test");
    EXPECT_TRUE(run(io, resolver->cname(name("three.test"))).absent());
}

TEST_F(Lookup, AliasLoopsAreFailures) { // DANE-004, H12
    alias("a.test", type_tlsa, "b.test");
    alias("b.test", type_tlsa, "a.test");
    alias("self.test", type_tlsa, "self.test");
    Reply both; // the whole loop in one answer
    both.answers.push_back({"c.test", type_cname, wire_name("d.test")});
    both.answers.push_back({"d.test", type_cname, wire_name("c.test")});
    server.say("c.test", type_tlsa, both);
    server.say("d.test", type_tlsa, both);
    for (int i = 0; i < 30; ++i)
        alias("n" + std::to_string(i) + ".test", type_tlsa, "n" + std::to_string(i + 1) + ".test");
    auto resolver = make(options());
    for (const char* start : {"a.test", "self.test", "c.test", "n0.test"}) {
        auto answer = run(io, resolver->tlsa(name(start)));
        EXPECT_EQ(answer.status, dns::Status::error) << start << ": " << answer.canonical.text();
    }
    EXPECT_LT(server.asked_in_all(), 100);
}

TEST_F(Lookup, NamesThatCannotBeAskedAreFailures) {
    auto resolver = make(options());
    const std::string label(63, 'a');
    const auto longest = name(label + "." + label + "." + label + "." + std::string(56, 'b') + ".test");
    auto answer = run(io, resolver->tlsa(dns::tlsa_owner(longest, 25)));
    EXPECT_EQ(answer.status, dns::Status::error);
    EXPECT_EQ(server.asked_in_all(), 0);
}

TEST_F(Lookup, TimeLimitBoundsItAndTheNextOneAsksAnew) { // DANE-015, H13
    Reply silent;
    silent.silent = true;
    server.say("dead.test", type_mx, silent);
    auto o = options();
    o.timeout = 150ms;
    auto resolver = make(o);
    const auto start = std::chrono::steady_clock::now();
    auto answer = run(io, resolver->mx(name("dead.test")));
    EXPECT_EQ(answer.status, dns::Status::error);
    EXPECT_EQ(answer.why, "no answer within 150ms");
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
    EXPECT_EQ(resolver->counters().in_flight, 0u);
    says("dead.test", type_mx, {std::string("\0\x0a", 2) + wire_name("mx.test")}); // it heals
    for (int attempt = 0; attempt < 30 && answer.failed(); ++attempt) answer = run(io, resolver->mx(name("dead.test")));
    EXPECT_EQ(answer.status, dns::Status::insecure); // within a few of the library's repetitions, not after minutes
}

Task<bool> same_twice(Resolver& resolver) {
    auto both = co_await (resolver.mx(name("mail.test")) && resolver.mx(name("mail.test")));
    co_return std::get<0>(both).answered() && std::get<1>(both).answered();
}

TEST_F(Lookup, IdenticalOnesInFlightAreShared) {
    says("mail.test", type_mx, {std::string("\0\x0a", 2) + wire_name("mx.test")});
    auto resolver = make(options());
    EXPECT_TRUE(run(io, same_twice(*resolver)));
    EXPECT_EQ(server.asked("mail.test", type_mx), 1);
    EXPECT_EQ(resolver->counters().insecure, 2u);
}

Task<void> ask_into(Resolver& resolver, std::string& why) {
    why = (co_await resolver.mx(name("slow.test"))).why;
}

Task<bool> cancel_one(Resolver& resolver, boost::asio::any_io_executor executor) {
    std::string first, second;
    net::TaskGroup impatient(executor, {}), patient(executor, {});
    impatient.spawn("first", ask_into(resolver, first));
    patient.spawn("second", ask_into(resolver, second));
    (void)co_await net::pause_until(net::deadline_after(20ms));
    EXPECT_EQ(resolver.counters().in_flight, 1u);
    impatient.cancel_all();
    co_await impatient.join();
    EXPECT_EQ(first, "lookup cancelled");
    EXPECT_EQ(resolver.counters().in_flight, 1u); // the other still waits
    patient.cancel_all();
    co_await patient.join();
    EXPECT_EQ(resolver.counters().in_flight, 0u);
    co_return true;
}

TEST_F(Lookup, EachWaiterCanBeCancelled) { // H39
    Reply silent;
    silent.silent = true;
    server.say("slow.test", type_mx, silent);
    auto resolver = make(options());
    const auto start = std::chrono::steady_clock::now();
    run(io, cancel_one(*resolver, io.get_executor()));
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
}

Task<bool> a_living_one_among_dead(Resolver& resolver, boost::asio::any_io_executor executor) {
    net::TaskGroup dead(executor, {});
    std::string ignored[200];
    const auto ask = [](Resolver& r, int i, std::string& why) -> Task<void> {
        why = (co_await r.mx(name("dead" + std::to_string(i) + ".test"))).why;
    };
    for (int i = 0; i < 200; ++i) dead.spawn("dead", ask(resolver, i, ignored[i]));
    const auto start = std::chrono::steady_clock::now();
    auto good = co_await resolver.mx(name("good.test"));
    EXPECT_TRUE(good.answered());
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
    dead.cancel_all();
    co_await dead.join();
    co_return true;
}

TEST_F(Lookup, DeadZonesDoNotHoldUpALivingOne) { // H39
    Reply silent;
    silent.silent = true;
    for (int i = 0; i < 200; ++i) server.say("dead" + std::to_string(i) + ".test", type_mx, silent);
    says("good.test", type_mx, {std::string("\0\x0a", 2) + wire_name("mx.test")});
    auto resolver = make(options());
    run(io, a_living_one_among_dead(*resolver, io.get_executor()));
}

TEST_F(Lookup, ForwardersAnswerForSpecialZonesToo) {
    says("mail.test", type_mx, {std::string("\0\x0a", 2) + wire_name("mx.test")});
    Options o;
    o.forwarders.push_back(server.at());
    o.timeout = 5s;
    auto resolver = make(o);
    EXPECT_EQ(run(io, resolver->mx(name("mail.test"))).records.size(), 1u);
}

TEST_F(Lookup, EndsWithQuestionsOpen) {
    Reply silent;
    silent.silent = true;
    server.say("slow.test", type_mx, silent);
    std::string ignored;
    auto resolver = make(options());
    boost::asio::co_spawn(io, ask_into(*resolver, ignored), [](std::exception_ptr) {});
    io.restart();
    io.run_for(20ms);
    EXPECT_EQ(resolver->counters().in_flight, 1u);
}

TEST(ResolverOptions, WhatIsNoServerZoneOrAnchorIsRefused) { // H36
    boost::asio::io_context io;
    const auto refused = [&](const Options& o) {
        auto made = make_unbound(io.get_executor(), o);
        return made ? std::string("accepted") : made.error().detail;
    };
    Options o;
    o.forwarders = {"dns.example@53"};
    EXPECT_NE(refused(o).find("'dns.example@53' is not the address"), std::string::npos);
    o.forwarders = {"127.0.0.1@99999"};
    EXPECT_NE(refused(o).find("is not the address"), std::string::npos);
    o.forwarders = {"127.0.0.1\"\n  verbosity: 5"};
    EXPECT_NE(refused(o).find("is not the address"), std::string::npos);
    o.forwarders = {};
    o.stub_zones = {{"a..b", {"127.0.0.1"}}};
    EXPECT_NE(refused(o).find("is not a domain name"), std::string::npos);
    o.stub_zones = {{"test", {}}};
    EXPECT_NE(refused(o).find("no servers"), std::string::npos);
    o.stub_zones = {};
    o.trust_anchors = {"nonsense"};
    EXPECT_NE(refused(o).find("trust_anchors: "), std::string::npos);
    o.trust_anchors = {};
    o.trust_anchors_file = "/nonexistent/root.key";
    EXPECT_NE(refused(o).find("/nonexistent/root.key: No such file"), std::string::npos);
    for (const char* good : {"127.0.0.1", "127.0.0.1@5353", "127.0.0.1:5353", "::1", "::1@5353", "[::1]:5353"}) {
        Options fine;
        fine.forwarders = {good};
        EXPECT_EQ(refused(fine), "accepted") << good;
    }
}

struct TrustFixture : Fixture {
    Health proven(Options o) {
        auto resolver = make(o);
        return run(io, prove_trust(*resolver, o));
    }
    const std::string digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";
};
using ProveTrust = TrustFixture;

TEST_F(ProveTrust, NoAnchorOrNoneUsable) { // DANE-010: it would fail open
    auto health = proven(options());
    EXPECT_FALSE(health.ok);
    EXPECT_EQ(health.trust, Trust::no_anchor);
    auto o = options();
    o.trust_anchors = {"test. IN DS 12345 12 2 " + digest};
    health = proven(o);
    EXPECT_EQ(health.trust, Trust::no_anchor);
    EXPECT_NE(health.text.find("algorithm 12"), std::string::npos);
}

TEST_F(ProveTrust, SignaturesMissing) { // H34
    says("test", type_mx, {});
    auto o = options();
    o.trust_anchors = {"test. IN DS 12345 13 2 " + digest};
    auto health = proven(o);
    EXPECT_FALSE(health.ok);
    EXPECT_EQ(health.trust, Trust::bogus) << health.text;
    o.stub_zones.clear();
    o.forwarders = {server.at()};
    health = proven(o);
    EXPECT_EQ(health.trust, Trust::bogus) << health.text;
    EXPECT_NE(health.text.find("forwarder"), std::string::npos) << health.text;
}

TEST_F(ProveTrust, NoAnswer) {
    Reply silent;
    silent.silent = true;
    server.say("test", type_mx, silent);
    auto o = options();
    o.timeout = 100ms;
    o.trust_anchors = {"test. IN DS 12345 13 2 " + digest};
    EXPECT_EQ(proven(o).trust, Trust::unreachable);
}

} // namespace
} // namespace danelaw::resolver
