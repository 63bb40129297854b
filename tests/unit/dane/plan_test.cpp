// The plan beyond the matrix: candidates, names, families, ourselves, bounds.
#include "facts_support.hpp"

#include "danelaw/base/limits.hpp"

#include <gtest/gtest.h>

namespace danelaw::dane::testing {
namespace {

using dns::Status;
using Names = std::vector<std::string>;

// The good case: a secure MX, one host with a secure A record; a test sets what differs.
Facts good() {
    Facts facts;
    facts.next_hop.name = name("example.org");
    facts.mx = answer(Status::secure, std::vector{dns::Mx{10, name("mx.example.net"), true}}, "example.org");
    HostFacts host;
    host.name = name("mx.example.net");
    host.preference = 10;
    host.a = answer(Status::secure, std::vector{ip("192.0.2.1")}, "mx.example.net");
    host.aaaa = answer<IpAddress>(Status::secure, {}, "mx.example.net");
    facts.hosts = {host};
    return facts;
}

HostFacts& host_of(Facts& facts) {
    return facts.hosts.front();
}

void alias_host(Facts& facts, Status status) {
    auto& host = host_of(facts);
    host.a = aliased(answer(status, std::vector{ip("192.0.2.1")}), "node.example.com");
    host.aaaa = aliased(answer<IpAddress>(status, {}), "node.example.com");
}

Names bases(Facts facts, const std::vector<dns::Answer<dns::Tlsa>>& answers, const TlsRules& rules = {}) {
    Names asked;
    auto& host = host_of(facts);
    for (std::size_t i = 0;; ++i) {
        const auto base = next_tlsa_base(facts, host, rules);
        if (!base) return asked;
        asked.push_back(base->text());
        host.tlsa.push_back({*base, i < answers.size() ? answers[i] : answer<dns::Tlsa>(Status::secure, {})});
    }
}

const auto secure_tlsa = answer(Status::secure, std::vector{tlsa(3, 1, 1)});
const auto unusable_tlsa = answer(Status::secure, std::vector{tlsa(3, 1, 9)});
const auto unsigned_tlsa = answer(Status::insecure, std::vector{tlsa(3, 1, 1)});
const auto no_tlsa = answer<dns::Tlsa>(Status::secure, {});
const auto unproven_no_tlsa = answer<dns::Tlsa>(Status::insecure, {});

TEST(NextTlsaBase, Candidates) {
    const Names expanded_then_original{"node.example.com", "mx.example.net"}, expanded{"node.example.com"};
    const Names original{"mx.example.net"};
    Facts plain = good(), alias = good(), into_insecure = good(), insecure_alias = good(), unsigned_host = good();
    alias_host(alias, Status::secure);
    alias_host(into_insecure, Status::insecure);
    insecure_alias = into_insecure;
    host_of(into_insecure).first_alias = Status::secure;
    host_of(insecure_alias).first_alias = Status::insecure;
    host_of(unsigned_host).a.status = Status::insecure;
    struct {
        const char* name;
        const Facts& facts;
        std::vector<dns::Answer<dns::Tlsa>> answers;
        Names want;
    } const rows[] = {
        {"DANE-043 the host alone", plain, {no_tlsa}, original},
        {"DANE-044 expanded, then original", alias, {no_tlsa, no_tlsa}, expanded_then_original},
        {"DANE-044 the first found ends it", alias, {secure_tlsa}, expanded},
        {"DANE-048 all unusable is found all the same", alias, {unusable_tlsa}, expanded},
        {"DANE-048 an insecure RRset moves on", alias, {unsigned_tlsa, secure_tlsa}, expanded_then_original},
        {"DANE-048 H09 an unproven denial moves on", alias, {unproven_no_tlsa, secure_tlsa}, expanded_then_original},
        {"DANE-047 a bogus first ends it", alias, {failed<dns::Tlsa>(Status::bogus)}, expanded},
        {"DANE-047 a failed first ends it", alias, {failed<dns::Tlsa>(Status::error)}, expanded},
        {"DANE-045 behind an insecure end the original alone", into_insecure, {no_tlsa}, original},
        {"DANE-042 H44 insecure first link: nothing", insecure_alias, {}, {}},
        {"DANE-042 insecure address: nothing", unsigned_host, {}, {}},
    };
    for (const auto& row : rows) EXPECT_EQ(bases(row.facts, row.answers), row.want) << row.name;
}

TEST(NextTlsaBase, OtherPoliciesAskNothing) {
    for (const auto policy : {TlsPolicy::none, TlsPolicy::may, TlsPolicy::encrypt, TlsPolicy::verify}) {
        TlsRules rules;
        rules.policy = policy;
        EXPECT_EQ(bases(good(), {}, rules), Names{}) << danelaw::word(policy);
    }
}

TEST(NeedsAliasCheck, OnlyBehindAnInsecureAlias) { // DANE-009
    Facts facts = good();
    EXPECT_FALSE(needs_alias_check(facts, host_of(facts), {}));
    alias_host(facts, Status::secure);
    EXPECT_FALSE(needs_alias_check(facts, host_of(facts), {}));
    alias_host(facts, Status::insecure);
    EXPECT_TRUE(needs_alias_check(facts, host_of(facts), {}));
    host_of(facts).first_alias = Status::error;
    EXPECT_FALSE(needs_alias_check(facts, host_of(facts), {}));
    EXPECT_EQ(verdict_of(plan(facts, {}, {})), "defer dns-error");
    host_of(facts).first_alias.reset(); // fail closed when a caller forgets
    EXPECT_EQ(verdict_of(plan(facts, {}, {})), "defer dns-error");
}

TEST(Plan, FactsNotGatheredToTheEndFailClosed) {
    Facts facts = good();
    EXPECT_EQ(verdict_of(plan(facts, {}, {})), "defer dns-error") << "TLSA was never asked";
    facts.hosts.clear();
    EXPECT_EQ(verdict_of(plan(facts, {}, {})), "defer dns-error") << "no host was looked up";
    facts.mx.reset();
    EXPECT_EQ(verdict_of(plan(facts, {}, {})), "defer dns-error") << "MX was never asked";
}

struct NameRow {
    const char* name;
    Status mx;
    const char* mx_canonical; // "" no MX
    Status address;
    Status first_alias;
    const char* base;
    Names want;
};

TEST(Plan, ReferenceNamesAndSni) {
    const NameRow rows[] = {
        {"DANE-100 DANE-101 secure MX: base, then the domain",
         Status::secure,
         "example.org",
         Status::secure,
         Status::secure,
         "mx.example.net",
         {"mx.example.net", "example.org"}},
        {"DANE-101 DANE-021 the domain is an alias",
         Status::secure,
         "real.example",
         Status::secure,
         Status::secure,
         "mx.example.net",
         {"mx.example.net", "example.org", "real.example"}},
        {"DANE-101 D-09 insecure MX: the base alone",
         Status::insecure,
         "example.org",
         Status::secure,
         Status::secure,
         "mx.example.net",
         {"mx.example.net"}},
        {"DANE-044 base is the expansion",
         Status::secure,
         "example.org",
         Status::secure,
         Status::secure,
         "node.example.com",
         {"node.example.com", "example.org"}},
        {"DANE-102 no MX, base is the domain",
         Status::secure,
         "",
         Status::secure,
         Status::secure,
         "example.org",
         {"example.org"}},
        {"DANE-102 no MX, base is its expansion",
         Status::secure,
         "",
         Status::secure,
         Status::secure,
         "node.example.com",
         {"node.example.com", "example.org"}},
    };
    for (const auto& row : rows) {
        Facts facts = good();
        auto& host = host_of(facts);
        if (*row.mx_canonical) {
            facts.mx->status = row.mx;
            facts.mx->canonical = name(row.mx_canonical);
        } else {
            facts.mx = answer<dns::Mx>(row.mx, {}, "example.org");
            host.name = name("example.org");
            host.a.canonical = host.name;
        }
        if (std::string_view(row.base) == "node.example.com") alias_host(facts, Status::secure);
        while (auto base = next_tlsa_base(facts, host, {}))
            host.tlsa.push_back({*base, base->text() == row.base ? secure_tlsa : no_tlsa});
        const auto made = plan(facts, {}, {});
        ASSERT_FALSE(made.halt) << row.name;
        EXPECT_EQ(made.hosts[0].reference_names, row.want) << row.name;
        EXPECT_EQ(made.hosts[0].sni, row.base) << "DANE-110 " << row.name;
        EXPECT_EQ(made.hosts[0].tlsa_base.text(), row.base) << row.name;
    }
}

TEST(Plan, SniOfHostsWithoutDane) { // DANE-111, H89
    Facts facts = good();
    host_of(facts).a.status = Status::insecure;
    EXPECT_EQ(plan(facts, {}, {}).hosts[0].sni, "mx.example.net");
    host_of(facts).name = name("192.0.2.7");
    facts.mx->records[0].exchange = name("192.0.2.7");
    EXPECT_EQ(plan(facts, {}, {}).hosts[0].sni, "");
}

TEST(Plan, ConfiguredHostIsTrustedByName) { // DANE-032, DANE-033, D-10
    Facts facts = good();
    facts.mx.reset();
    facts.next_hop = {NextHop::Kind::host, name("mx.example.net"), std::nullopt, 587, true};
    host_of(facts).preference = 0;
    host_of(facts).tlsa = {{name("mx.example.net"), secure_tlsa}};
    const auto made = plan(facts, {}, {});
    ASSERT_FALSE(made.halt);
    EXPECT_EQ(made.hosts[0].port, 587);
    EXPECT_TRUE(made.hosts[0].secured);
    EXPECT_TRUE(made.hosts[0].known_securely);
    EXPECT_EQ(made.hosts[0].reference_names, Names{"mx.example.net"});
    EXPECT_EQ(made.mx, Seen::not_queried);
}

struct FamilyRow {
    const char* name;
    dns::Answer<IpAddress> a, aaaa;
    std::optional<dns::Answer<dns::Tlsa>> tlsa;
    const char* want;
    Names addresses;
};

TEST(Plan, FamiliesAreJudgedApart) { // DANE-016, D-06
    const auto v4 = [](Status s) { return answer(s, std::vector{ip("192.0.2.1")}, "mx.example.net"); };
    const auto v6 = [](Status s) { return answer(s, std::vector{ip("2001:db8::1")}, "mx.example.net"); };
    const auto none = answer<IpAddress>(Status::secure, {}, "mx.example.net");
    const auto bad = failed<IpAddress>(Status::bogus), dead = failed<IpAddress>(Status::error);
    const FamilyRow rows[] = {
        {"both secure", v4(Status::secure), v6(Status::secure), secure_tlsa, "dane", {"2001:db8::1", "192.0.2.1"}},
        {"AAAA failing: A serves, under DANE", v4(Status::secure), dead, secure_tlsa, "dane", {"192.0.2.1"}},
        {"A bogus: AAAA serves", bad, v6(Status::secure), secure_tlsa, "dane", {"2001:db8::1"}},
        {"secure A, insecure AAAA: only A under TLSA",
         v4(Status::secure),
         v6(Status::insecure),
         secure_tlsa,
         "dane",
         {"192.0.2.1"}},
        {"the same, unusable TLSA", v4(Status::secure), v6(Status::insecure), unusable_tlsa, "encrypt", {"192.0.2.1"}},
        {"the same, no TLSA: both",
         v4(Status::secure),
         v6(Status::insecure),
         no_tlsa,
         "may",
         {"2001:db8::1", "192.0.2.1"}},
        {"insecure A, AAAA failing: A, without DANE", v4(Status::insecure), dead, {}, "may", {"192.0.2.1"}},
        {"A absent, AAAA failing: failure, no proof of absence", none, dead, {}, "defer dns-error", {}},
        {"A failing, AAAA bogus: the graver", dead, bad, {}, "defer dnssec-invalid", {}},
        {"both absent", none, none, {}, "bounce no-usable-host", {}},
        {"H86 link-local is not dialled",
         v4(Status::insecure),
         answer(Status::insecure, std::vector{ip("fe80::1")}),
         {},
         "may",
         {"192.0.2.1"}},
        {"0.0.0.0 is not dialled, and no proof of absence",
         answer(Status::insecure, std::vector{ip("0.0.0.0")}),
         none,
         {},
         "defer no-usable-host",
         {}},
    };
    for (const auto& row : rows) {
        Facts facts = good();
        host_of(facts).a = row.a;
        host_of(facts).aaaa = row.aaaa;
        if (row.tlsa) host_of(facts).tlsa = {{name("mx.example.net"), *row.tlsa}};
        const auto made = plan(facts, {}, {});
        Names addresses;
        for (const auto& address : made.hosts[0].addresses) addresses.push_back(address.text());
        EXPECT_EQ(verdict_of(made), row.want) << row.name;
        EXPECT_EQ(addresses, row.addresses) << row.name;
    }
}

TEST(Plan, FamiliesAreMixed) { // SC-006
    Facts facts = good();
    auto& host = host_of(facts);
    host.a.status = Status::insecure;
    host.aaaa = answer(Status::insecure, std::vector{ip("2001:db8::1"), ip("2001:db8::2"), ip("2001:db8::3")});
    const auto made = plan(facts, {}, {});
    EXPECT_EQ(made.hosts[0].addresses,
              (std::vector{ip("2001:db8::1"), ip("192.0.2.1"), ip("2001:db8::2"), ip("2001:db8::3")}));
}

// Hosts at preferences 10, 20, … with these addresses; "" none.
Facts several(const std::vector<std::string>& addresses) {
    Facts facts = good();
    facts.mx->status = Status::insecure;
    facts.mx->records.clear();
    facts.hosts.clear();
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        HostFacts host;
        host.name = name("mx" + std::to_string(i) + ".example.net");
        host.preference = static_cast<std::uint16_t>(10 * (i + 1));
        host.a =
            answer(Status::insecure, addresses[i].empty() ? std::vector<IpAddress>{} : std::vector{ip(addresses[i])});
        host.aaaa = answer<IpAddress>(Status::insecure, {});
        facts.mx->records.push_back({host.preference, host.name, true});
        facts.hosts.push_back(host);
    }
    return facts;
}

TEST(Plan, OurOwnListenerCutsTheList) { // SC-007, D-23
    const Ourselves self{{}, {{ip("192.0.2.9"), 25}}, {}};
    auto made = plan(several({"192.0.2.1", "192.0.2.9", "192.0.2.3"}), {}, self);
    ASSERT_EQ(made.hosts.size(), 1u);
    EXPECT_EQ(made.hosts[0].name.text(), "mx0.example.net");
    EXPECT_EQ(verdict_of(plan(several({"192.0.2.9", "192.0.2.3"}), {}, self)), "bounce mail-loop");
    // The better MX is missing in DNS: 4.4.4, not a loop and not a bounce.
    made = plan(several({"", "192.0.2.9"}), {}, self);
    EXPECT_EQ(verdict_of(made), "defer no-usable-host");
    EXPECT_EQ(made.halt->enhanced, "4.4.4");
    auto elsewhere = several({"192.0.2.9"});
    elsewhere.next_hop.port = 26;
    EXPECT_EQ(verdict_of(plan(elsewhere, {}, self)), "may") << "another port of ours is not a listener";
}

TEST(Plan, LiteralsAndLoops) { // DANE-030, D-23, D-28
    Facts facts;
    facts.next_hop.kind = NextHop::Kind::literal;
    facts.next_hop.address = ip("192.0.2.9");
    const Ourselves self{{}, {{ip("192.0.2.9"), 25}}, {}};
    EXPECT_EQ(verdict_of(plan(facts, {}, {})), "may");
    EXPECT_EQ(plan(facts, {}, {}).hosts[0].sni, "");
    EXPECT_EQ(plan(facts, {}, {}).hosts[0].shown(), "[192.0.2.9]");
    EXPECT_EQ(verdict_of(plan(facts, {}, self)), "bounce mail-loop");
    facts.next_hop.configured = true;
    EXPECT_EQ(verdict_of(plan(facts, {}, self)), "defer mail-loop");
}

TEST(Plan, AbsentHostsBesideOthers) { // DANE-024, D-13, H85
    auto made = plan(several({"", "192.0.2.1"}), {}, {});
    EXPECT_FALSE(made.halt);
    EXPECT_EQ(made.hosts[0].requirement, Requirement::skip);
    EXPECT_EQ(made.hosts[1].requirement, Requirement::may);
    made = plan(several({"", ""}), {}, {});
    EXPECT_EQ(verdict_of(made), "bounce no-usable-host");
    EXPECT_EQ(made.halt->enhanced, "5.4.4");
    auto one_failed = several({"", ""});
    one_failed.hosts[1].a = failed<IpAddress>(Status::error);
    EXPECT_EQ(verdict_of(plan(one_failed, {}, {})), "defer dns-error");
}

TEST(Plan, PreferenceStandsAboveSecurity) { // DANE-022, DANE-023
    Facts facts = several({"192.0.2.1", "192.0.2.2"});
    facts.mx->status = Status::secure;
    facts.hosts[1].a.status = Status::secure;
    facts.hosts[1].tlsa = {{facts.hosts[1].name, secure_tlsa}};
    const auto made = plan(facts, {}, {});
    ASSERT_EQ(made.hosts.size(), 2u);
    EXPECT_EQ(made.hosts[0].requirement, Requirement::may);
    EXPECT_EQ(made.hosts[1].requirement, Requirement::dane);
}

TEST(Plan, BoundsAddresses) { // DANE-055
    Facts facts = several({"192.0.2.1", "192.0.2.2", "192.0.2.3"});
    for (std::uint8_t i = 0; i < 19; ++i) facts.hosts[0].a.records.push_back(ip("198.51.100." + std::to_string(i + 1)));
    const auto made = plan(facts, {}, {});
    ASSERT_EQ(made.hosts.size(), 1u);
    EXPECT_EQ(made.hosts[0].addresses.size(), limits::addresses);
    EXPECT_EQ(made.notes.size(), 1u);
}

TEST(Plan, KeepsFactsNoLongerThanTheLeastTtl) { // DANE-012, DANE-014
    Facts facts = good();
    host_of(facts).tlsa = {{name("mx.example.net"), secure_tlsa}};
    host_of(facts).tlsa[0].answer.ttl = Seconds{5};
    EXPECT_EQ(plan(facts, {}, {}).ttl, Seconds{5});
    host_of(facts).aaaa = failed<IpAddress>(Status::error);
    EXPECT_EQ(plan(facts, {}, {}).ttl, Seconds{0});
}

TEST(Plan, TooManyRecordsAreCutOnlyAfterAgility) { // limits::tlsa_records, DANE-A20
    Facts facts = good();
    std::vector<dns::Tlsa> many(150, tlsa(3, 1, 9));
    for (int i = 0; i < 150; ++i) many.push_back(tlsa(3, 1, 1, static_cast<char>(i)));
    host_of(facts).tlsa = {{name("mx.example.net"), answer(Status::secure, many)}};
    const auto made = plan(facts, {}, {});
    EXPECT_EQ(made.hosts[0].requirement, Requirement::dane);
    EXPECT_EQ(made.hosts[0].records.size(), limits::tlsa_records);
}

} // namespace
} // namespace danelaw::dane::testing
