// What the router asks, in which order, what it keeps, and what MTA-STS and the message's wishes make of the plan.
#include "danelaw/delivery/router.hpp"

#include "world.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace danelaw::delivery::test {
namespace {

namespace asio = boost::asio;
using dane::Requirement;
using dns::Status;

const dns::Tlsa ee{3, 1, 1, std::string(32, 'k')};

struct FixedClock final : Clock {
    Time at{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};
    Time now() const override { return at; }
};

// A policy source that gives what it is told, one answer an asking, the last one for ever.
struct Source final : StsSource {
    std::vector<std::string> answers; // policy texts; "" none
    std::vector<Freshness> asked;
    bool unknown = false;
    asio::awaitable<StsResult> policy_for(dns::Name, Freshness freshness) override {
        const auto at = std::min(asked.size(), answers.size() - 1);
        asked.push_back(freshness);
        StsResult out;
        out.announced = !answers[at].empty();
        out.unknown = unknown;
        if (out.announced) out.policy = *sts::parse_policy(answers[at]);
        co_return out;
    }
};

const std::string enforce_mx = "version: STSv1\nmode: enforce\nmx: *.example.org\nmax_age: 86400\n";
const std::string enforce_other = "version: STSv1\nmode: enforce\nmx: other.test\nmax_age: 86400\n";

struct RouterTest : testing::Test {
    World world;
    FixedClock clock;
    SeededRng rng{1};
    RouterSettings settings;
    Source source;
    std::unique_ptr<Router> router;

    // The good case: a signed domain with two hosts, the first with TLSA.
    RouterTest() {
        world.zone["example.org"].mx = {{10, "mx1.example.org"}, {20, "mx2.example.org"}};
        world.zone["mx1.example.org"].a = {"192.0.2.1"};
        world.zone["mx2.example.org"].a = {"192.0.2.2"};
        world.zone["_25._tcp.mx1.example.org"].tlsa = {ee};
    }

    Route route(RouteOptions options = {}, const std::string& lane = "example.org") {
        if (!router) {
            auto* sts = source.answers.empty() ? nullptr : &source;
            router = std::make_unique<Router>(world, sts, clock, rng, settings);
        }
        asio::io_context io;
        std::optional<Route> out;
        const auto done = [&](const std::exception_ptr& thrown, Route r) {
            if (thrown) std::rethrow_exception(thrown);
            out = std::move(r);
        };
        asio::co_spawn(io, router->route(lane, options), done);
        io.run();
        return std::move(*out);
    }

    static std::string requirements(const Route& r) {
        if (r.plan.halt) return std::string(word(r.plan.halt->verdict)) + " " + std::string(word(r.plan.halt->reason));
        std::string out;
        for (const auto& host : r.plan.hosts)
            out += (out.empty() ? "" : " ") + std::string(dane::word(host.requirement));
        return out;
    }
};

TEST_F(RouterTest, GathersWhatThePlannerAsksFor) {
    EXPECT_EQ(requirements(route()), "dane may");
    EXPECT_EQ(world.count("MX example.org"), 1u);
    EXPECT_EQ(world.count("TLSA _25._tcp.mx2.example.org"), 1u);
    EXPECT_EQ(world.count("CNAME mx1.example.org"), 0u);
}

TEST_F(RouterTest, TlsaComesAfterBothFamilies) { // DANE-040
    route();
    for (const std::string host : {"mx1.example.org", "mx2.example.org"}) {
        const auto tlsa = world.position("TLSA _25._tcp." + host);
        EXPECT_LT(world.position("A " + host), tlsa);
        EXPECT_LT(world.position("AAAA " + host), tlsa);
    }
}

TEST_F(RouterTest, HostsAreAskedSideBySide) {
    route();
    EXPECT_LT(world.position("A mx2.example.org"), world.position("TLSA _25._tcp.mx1.example.org"));
}

TEST_F(RouterTest, FailuresEndWhereTheySay) {
    world.zone["mx1.example.org"].failing["A"] = Status::error; // DANE-024, DANE-041
    EXPECT_EQ(requirements(route()), "skip may");
    EXPECT_EQ(world.count("TLSA _25._tcp.mx1.example.org"), 0u);
    world.zone["example.org"].failing["MX"] = Status::bogus; // DANE-020
    world.zone["example.org"].a = {"192.0.2.9"};
    world.asked.clear();
    EXPECT_EQ(requirements(route({.fresh = true})), "deferred dnssec-invalid");
    EXPECT_EQ(world.asked, std::vector<std::string>{"MX example.org"});
}

TEST_F(RouterTest, UnsignedHostsAreNotAskedForTlsa) { // DANE-042
    world.zone["mx1.example.org"].status = Status::insecure;
    world.zone["_25._tcp.mx1.example.org"].failing["TLSA"] = Status::error;
    EXPECT_EQ(requirements(route()), "may may");
    EXPECT_EQ(world.count("TLSA _25._tcp.mx1.example.org"), 0u);
}

TEST_F(RouterTest, AliasIntoAnUnsignedZone) { // DANE-009, DANE-045, H41
    world.zone["mx1.example.org"] = {};
    world.zone["mx1.example.org"].cname = "node.plain.test";
    world.zone["node.plain.test"].status = Status::insecure;
    world.zone["node.plain.test"].a = {"192.0.2.1"};
    auto made = route();
    EXPECT_EQ(requirements(made), "dane may");
    EXPECT_EQ(made.plan.hosts[0].tlsa_base.text(), "mx1.example.org");
    EXPECT_EQ(world.count("CNAME mx1.example.org"), 1u);
    EXPECT_EQ(world.count("TLSA _25._tcp.node.plain.test"), 0u);
    world.zone["mx1.example.org"].failing["CNAME"] = Status::error;
    EXPECT_EQ(requirements(route({.fresh = true})), "skip may");
}

TEST_F(RouterTest, AliasInsideSignedZones) { // DANE-044, H43
    world.zone["mx1.example.org"] = {};
    world.zone["mx1.example.org"].cname = "node.example.net";
    world.zone["node.example.net"].a = {"192.0.2.1"};
    auto made = route();
    EXPECT_EQ(requirements(made), "dane may");
    EXPECT_EQ(made.plan.hosts[0].tlsa_base.text(), "mx1.example.org");
    EXPECT_LT(world.position("TLSA _25._tcp.node.example.net"), world.position("TLSA _25._tcp.mx1.example.org"));
    world.zone["_25._tcp.node.example.net"].failing["TLSA"] = Status::error; // DANE-047
    world.asked.clear();
    EXPECT_EQ(requirements(route({.fresh = true})), "skip may");
    EXPECT_EQ(world.count("TLSA _25._tcp.mx1.example.org"), 0u);
}

TEST_F(RouterTest, TheDialledPortNamesTheRecord) { // DANE-049, DANE-032
    policy::PolicyEntry entry;
    entry.match = {"example.org"};
    entry.next_hop = "[mx1.example.org]:587";
    settings.policies = {entry};
    EXPECT_EQ(requirements(route()), "may");
    EXPECT_EQ(world.count("TLSA _587._tcp.mx1.example.org"), 1u);
    EXPECT_EQ(world.count("MX example.org"), 0u);
}

TEST_F(RouterTest, SuccessIsKeptForAMomentAndFailureNever) { // DANE-012, DANE-014
    route();
    const auto first = world.asked.size();
    route();
    EXPECT_EQ(world.asked.size(), first) << "kept";
    EXPECT_EQ(requirements(route({.fresh = true})), "dane may");
    EXPECT_EQ(world.asked.size(), 2 * first) << "a retry asks again";
    world.zone["_25._tcp.mx1.example.org"].failing["TLSA"] = Status::error;
    EXPECT_EQ(requirements(route({.fresh = true})), "skip may");
    world.zone["_25._tcp.mx1.example.org"].failing.clear();
    EXPECT_EQ(requirements(route()), "dane may") << "the failure was not kept";
}

TEST_F(RouterTest, NothingIsKeptBeyondItsTtl) { // DANE-012
    world.zone["_25._tcp.mx1.example.org"].ttl = Seconds{0};
    route();
    const auto first = world.asked.size();
    route();
    EXPECT_EQ(world.asked.size(), 2 * first);
}

// DANE-012: a slow server must not stretch what an answer given before allows; time is counted from the first question.
TEST_F(RouterTest, ATtlRunsWhileOthersAreStillAsked) {
    world.zone["example.org"].ttl = Seconds{1};
    world.hook = [](const std::string& question) {
        const auto gone = std::chrono::steady_clock::now() + std::chrono::milliseconds(1100);
        if (question == "TLSA _25._tcp.mx2.example.org") std::this_thread::sleep_until(gone); // the slow server
    };
    route();
    world.hook = nullptr;
    world.asked.clear();
    route();
    EXPECT_EQ(world.count("MX example.org"), 1u) << "its TTL had ended";
}

// SC-092: the same name, and so the same facts, as a recipient's domain and as a relay that the operator configured.
TEST_F(RouterTest, KeptFactsDoNotSayWhoNamedTheNextHop) {
    policy::PolicyEntry entry;
    entry.match = {"customer.test"};
    entry.next_hop = "gone.test"; // does not exist
    settings.policies = {entry};
    EXPECT_EQ(requirements(route({}, "gone.test")), "bounced domain-not-found");
    EXPECT_EQ(requirements(route({}, "customer.test")), "deferred domain-not-found");
    EXPECT_EQ(world.count("MX gone.test"), 1u) << "the facts are shared";
    EXPECT_EQ(requirements(route({}, "gone.test")), "bounced domain-not-found");
}

TEST_F(RouterTest, NothingIsSentWhileABindingPolicyMayBeUnread) { // MS-005
    source.answers = {""};
    source.unknown = true;
    EXPECT_EQ(requirements(route()), "deferred connect-failed");
    EXPECT_TRUE(route().plan.hosts.empty());
}

TEST_F(RouterTest, EqualsAreDrawnAnewAlsoFromKeptFacts) { // SC-005
    world.zone["example.org"].mx = {{10, "mx1.example.org"}, {10, "mx2.example.org"}};
    std::set<std::string> first;
    for (int i = 0; i < 40; ++i) first.insert(route().plan.hosts[0].name.text());
    EXPECT_EQ(first.size(), 2u);
    EXPECT_EQ(world.count("MX example.org"), 1u);
}

TEST_F(RouterTest, OneFamilyOnly) { // SC-013
    settings.use_ipv6 = false;
    world.zone["mx1.example.org"].failing["AAAA"] = Status::bogus;
    EXPECT_EQ(requirements(route()), "dane may");
    EXPECT_EQ(world.count("AAAA mx1.example.org"), 0u);
}

TEST_F(RouterTest, LiteralsAskNothing) { // DANE-030
    EXPECT_EQ(requirements(route({}, "[192.0.2.1]")), "may");
    EXPECT_EQ(requirements(route({}, "[x:y]")), "bounced domain-not-found"); // SC-010
    EXPECT_TRUE(world.asked.empty());
}

TEST_F(RouterTest, StsServesTheHostsWithoutDane) { // MS-061, MS-064
    source.answers = {enforce_mx};
    EXPECT_EQ(requirements(route()), "dane mta-sts");
}

TEST_F(RouterTest, StsIsNotAskedWhenDaneDecidesAll) { // MS-061
    source.answers = {enforce_other};
    world.zone["_25._tcp.mx2.example.org"].tlsa = {ee};
    EXPECT_EQ(requirements(route()), "dane dane");
    EXPECT_TRUE(source.asked.empty());
}

TEST_F(RouterTest, ANewerPolicyIsAskedForBeforeABounce) { // MS-046
    source.answers = {enforce_other, enforce_mx};
    settings.tls.on_failure = dane::OnFailure::bounce;
    world.zone["_25._tcp.mx1.example.org"].tlsa.clear();
    EXPECT_EQ(requirements(route()), "mta-sts mta-sts");
    EXPECT_EQ(source.asked, (std::vector{StsSource::Freshness::cached, StsSource::Freshness::ask_again}));
}

TEST_F(RouterTest, WhatTheMessageAsksFor) { // D-25, D-26, SC-120…124
    source.answers = {enforce_other};
    world.zone["_25._tcp.mx1.example.org"].failing["TLSA"] = Status::error;
    EXPECT_EQ(requirements(route()), "deferred validation-failure");
    EXPECT_EQ(requirements(route({.tls_required_no = true})), "may may");
    EXPECT_EQ(requirements(route({.tls_report = true})), "may may");
    EXPECT_EQ(requirements(route({.requiretls = true, .tls_required_no = true})), "deferred validation-failure");

    settings.tls.policy = TlsPolicy::dane_only;
    router->set_settings(settings);
    EXPECT_EQ(requirements(route({.tls_required_no = true})), "deferred dane-required");
    EXPECT_EQ(requirements(route({.tls_report = true})), "may may") << "kept facts of other rules are not used";
    EXPECT_EQ(requirements(route({.tls_required_no = true})), "deferred dane-required");
}

TEST_F(RouterTest, RequiretlsWantsAnAuthenticatedHost) { // SC-120, SC-122
    EXPECT_EQ(requirements(route({.requiretls = true})), "dane skip");
    world.zone["_25._tcp.mx1.example.org"].tlsa.clear();
    const auto made = route({.requiretls = true, .fresh = true});
    EXPECT_EQ(requirements(made), "bounced requiretls-unsupported");
    EXPECT_EQ(made.plan.halt->enhanced, "5.7.10");
}

TEST_F(RouterTest, EntriesEndOnTheirDay) { // D-27
    policy::PolicyEntry entry;
    entry.match = {"example.org"};
    entry.tls = TlsPolicy::none;
    entry.until = std::chrono::year{2026} / 11 / 25;
    settings.policies = {entry};
    EXPECT_EQ(requirements(route()), "none none");
    clock.at += std::chrono::hours(24);
    EXPECT_EQ(requirements(route()), "dane may");
}

} // namespace
} // namespace danelaw::delivery::test
