// Where a domain's mail goes, under which rules (DANE-030…033, D-10, D-25…28, SC-010, SC-123).
#include "danelaw/policy/destination.hpp"

#include <gtest/gtest.h>

namespace danelaw::policy {
namespace {

constexpr std::chrono::year_month_day today{std::chrono::year{2026}, std::chrono::November, std::chrono::day{25}};

std::string shown(const dane::NextHop& hop) {
    const std::string port = ":" + std::to_string(hop.port);
    switch (hop.kind) {
    case dane::NextHop::Kind::mx_lookup: return "mx " + hop.name.text() + port;
    case dane::NextHop::Kind::host: return "host " + hop.name.text() + port;
    case dane::NextHop::Kind::literal: return "literal " + hop.address.value_or(IpAddress{}).text() + port;
    }
    return "";
}

TEST(NextHop, Table) { // contract, DANE-032, H89
    const std::pair<const char*, const char*> rows[] = {
        {"smtp.example.org", "mx smtp.example.org:25"},
        {"smtp.example.org:587", "mx smtp.example.org:587"},
        {"[smtp.example.org]", "host smtp.example.org:25"},
        {"[SMTP.Example.Org.]:587", "host smtp.example.org:587"},
        {"[192.0.2.7]", "literal 192.0.2.7:25"},
        {"[192.0.2.7]:2525", "literal 192.0.2.7:2525"},
        {"[IPv6:2001:db8::1]", "literal 2001:db8::1:25"},
        {"[ipv6:2001:db8::1]:26", "literal 2001:db8::1:26"},
        {"[2001:db8::1]:26", "literal 2001:db8::1:26"},
        {"b\xc3\xbc"
         "cher.example",
         "mx xn--bcher-kva.example:25"},
        {"", "wrong"},
        {"[]", "wrong"},
        {"[smtp.example.org", "wrong"},
        {"[smtp.example.org]587", "wrong"},
        {"[smtp.example.org]:", "wrong"},
        {"smtp.example.org:0", "wrong"},
        {"smtp.example.org:65536", "wrong"},
        {"192.0.2.7", "wrong"},
        {"2001:db8::1", "wrong"},
        {"smtp..example.org", "wrong"},
        {"a b", "wrong"},
        {".", "wrong"},
        {"[IPv6:192.0.2]", "wrong"},
    };
    for (const auto& [text, want] : rows) {
        const auto hop = next_hop(text, 25);
        EXPECT_EQ(hop ? shown(*hop) : "wrong", want) << text;
        if (hop) EXPECT_TRUE(hop->configured) << text;
    }
}

PolicyEntry entry(std::vector<std::string> match) {
    PolicyEntry out;
    out.match = std::move(match);
    return out;
}

TEST(Matches, LeadingDotIsBelow) {
    const std::tuple<const char*, const char*, bool> rows[] = {
        {"example.com", "example.com", true},
        {"example.com", "a.example.com", false},
        {".example.net", "a.example.net", true},
        {".example.net", "a.b.example.net", true},
        {".example.net", "example.net", false},
        {".example.net", "notexample.net", false},
        {"*", "anything.test", true},
        {"*", "[192.0.2.1]", true},
        {"[192.0.2.1]", "[192.0.2.1]", true},
        {".1]", "[192.0.2.1]", false},
    };
    for (const auto& [match, lane, want] : rows) EXPECT_EQ(matches(entry({match}), lane), want) << match << " " << lane;
}

TEST(Destination, FirstMatchWinsAndSetsOnlyWhatItSets) {
    auto first = entry({"example.com", ".example.net"});
    first.tls = TlsPolicy::dane_only;
    first.note = "since the audit";
    auto second = entry({"*"});
    second.next_hop = "[smtp.example.org]:587";
    second.mta_sts = false;
    dane::TlsRules tls;
    tls.on_failure = dane::OnFailure::bounce;

    const auto one = destination("a.example.net", {first, second}, tls, 25, today);
    EXPECT_EQ(shown(one.hop), "mx a.example.net:25");
    EXPECT_EQ(one.rules.policy, TlsPolicy::dane_only);
    EXPECT_EQ(one.rules.on_failure, dane::OnFailure::bounce);
    EXPECT_TRUE(one.rules.mta_sts);
    EXPECT_TRUE(one.explicit_tls);
    EXPECT_EQ(one.entry, 0u);
    EXPECT_EQ(one.note, "since the audit");

    const auto other = destination("example.net", {first, second}, tls, 25, today);
    EXPECT_EQ(shown(other.hop), "host smtp.example.org:587");
    EXPECT_EQ(other.rules.policy, TlsPolicy::dane);
    EXPECT_FALSE(other.rules.mta_sts);
    EXPECT_EQ(other.entry, 1u);
}

TEST(Destination, AnEntryHoldsUpToItsDay) { // D-27
    auto one = entry({"*"});
    one.hold = true;
    one.until = today;
    EXPECT_TRUE(destination("example.org", {one}, {}, 25, today).hold);
    const std::chrono::year_month_day tomorrow{std::chrono::sys_days{today} + std::chrono::days{1}};
    const auto ended = destination("example.org", {one}, {}, 25, tomorrow);
    EXPECT_FALSE(ended.hold);
    EXPECT_FALSE(ended.entry);
}

TEST(Destination, LiteralsAndWhatIsNoDomain) { // DANE-030, D-28, SC-010
    EXPECT_EQ(shown(destination("[192.0.2.1]", {}, {}, 25, today).hop), "literal 192.0.2.1:25");
    EXPECT_EQ(shown(destination("[2001:db8::1]", {}, {}, 25, today).hop), "literal 2001:db8::1:25");
    EXPECT_EQ(shown(destination("[IPv6:2001:db8::1]", {}, {}, 25, today).hop), "literal 2001:db8::1:25");
    for (const auto* lane : {"", "a..b", "[x:y]", "[192.0.2]", "["}) {
        const auto none = destination(lane, {}, {}, 25, today);
        ASSERT_TRUE(none.halt) << lane;
        EXPECT_EQ(none.halt->reason, Reason::domain_not_found);
        EXPECT_EQ(none.halt->verdict, Verdict::bounced);
    }
}

TEST(Destination, ANextHopThatCannotBeReadGoesNowhere) {
    auto one = entry({"*"});
    one.next_hop = "[broken";
    const auto out = destination("example.org", {one}, {}, 25, today);
    ASSERT_TRUE(out.halt);
    EXPECT_EQ(out.halt->verdict, Verdict::deferred);
}

TEST(RulesFor, Table) { // D-25, D-26, SC-123, TR-045
    using enum TlsPolicy;
    struct {
        TlsPolicy policy, no, report;
    } const rows[] = {
        {dane, may, may}, {dane_only, dane_only, may}, {verify, verify, may}, {encrypt, encrypt, may},
        {may, may, may},  {none, none, none},
    };
    for (const auto& row : rows) {
        dane::TlsRules rules;
        rules.policy = row.policy;
        EXPECT_EQ(rules_for(rules, Wish::none).policy, row.policy);
        EXPECT_TRUE(rules_for(rules, Wish::none).mta_sts);
        EXPECT_EQ(rules_for(rules, Wish::tls_required_no).policy, row.no) << word(row.policy);
        EXPECT_EQ(rules_for(rules, Wish::tls_report).policy, row.report) << word(row.policy);
        if (row.policy != none) EXPECT_FALSE(rules_for(rules, Wish::tls_required_no).mta_sts);
    }
}

} // namespace
} // namespace danelaw::policy
