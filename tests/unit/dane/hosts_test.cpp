// Which hosts stand for a next hop: RFC 5321 5.1, RFC 7505.
#include "facts_support.hpp"

#include "danelaw/base/limits.hpp"

#include <gtest/gtest.h>

#include <map>

namespace danelaw::dane::testing {
namespace {

using dns::Status;

dns::Mx mx(std::uint16_t preference, std::string_view exchange) {
    return {preference, exchange.empty() ? dns::Name{} : name(exchange), true};
}

NextHop domain(bool configured = false) {
    NextHop hop;
    hop.name = name("example.org");
    hop.configured = configured;
    return hop;
}

dns::Answer<dns::Mx> denied(dns::Absence how, Status status = Status::insecure) {
    auto a = answer<dns::Mx>(status, {}, "example.org");
    a.absence = how;
    return a;
}

// "10 mx1 20 mx2", or "bounce mail-loop 5.4.6".
std::string chosen(const NextHop& hop, const dns::Answer<dns::Mx>* answers, const Ourselves& self = {},
                   std::uint64_t seed = 1) {
    SeededRng rng(seed);
    const auto out = choose_hosts(hop, answers, self, rng);
    if (const auto* stop = std::get_if<Halt>(&out))
        return std::string(danelaw::word(stop->verdict)) + " " + std::string(danelaw::word(stop->reason)) + " " +
               stop->enhanced;
    std::string text;
    for (const auto& [host, preference] : std::get<MxChoice>(out).hosts)
        text += (text.empty() ? "" : " ") + std::to_string(preference) + " " + host.text();
    return text;
}

struct Row {
    const char* name;
    dns::Answer<dns::Mx> answer;
    const char* want;
    const char* want_configured = nullptr; // the same under a configured next hop, when it differs (SC-092)
};

TEST(ChooseHosts, Table) {
    const Ourselves self{{name("relay.example.com")}, {}, {}};
    const auto found = [](std::vector<dns::Mx> records) {
        return answer(Status::secure, std::move(records), "example.org");
    };
    auto invalid = mx(5, "odd.example.org");
    invalid.valid = false;
    const Row rows[] = {
        {"DANE-020 bogus defers, no fallback", failed<dns::Mx>(Status::bogus), "deferred dnssec-invalid 4.4.3"},
        {"DANE-004 error defers", failed<dns::Mx>(Status::error), "deferred dns-error 4.4.3"},
        {"SC-002 NXDOMAIN bounces", denied(dns::Absence::nxdomain), "bounced domain-not-found 5.1.2",
         "deferred domain-not-found 4.3.5"},
        {"SC-002 DANE-029 NODATA: the domain itself", denied(dns::Absence::nodata), "0 example.org"},
        {"SC-004 null MX", found({mx(0, "")}), "bounced no-mail-service 5.1.10", "deferred no-mail-service 4.3.5"},
        {"D-12 null MX at any preference", found({mx(10, "")}), "bounced no-mail-service 5.1.10",
         "deferred no-mail-service 4.3.5"},
        {"D-12 two null MX are one", found({mx(0, ""), mx(10, "")}), "bounced no-mail-service 5.1.10",
         "deferred no-mail-service 4.3.5"},
        {"D-12 the root beside others is dropped", found({mx(0, ""), mx(10, "mx.example.org")}), "10 mx.example.org"},
        {"D-12 `0.` is a host named 0", found({mx(10, "0")}), "10 0"},
        {"DANE-031 digits are a host name to look up", found({mx(10, "192.0.2.7")}), "10 192.0.2.7"},
        {"DANE-031 an invalid target is not dialled", found({invalid, mx(10, "mx.example.org")}), "10 mx.example.org"},
        {"SC-003 nothing but invalid targets: never the A record", found({invalid}), "bounced no-usable-host 5.4.4",
         "deferred no-usable-host 4.3.5"},
        {"SC-005 H83 sorted whatever DNS's order", found({mx(20, "b.org"), mx(5, "c.org"), mx(10, "a.org")}),
         "5 c.org 10 a.org 20 b.org"},
        {"one name at two preferences counts at its best", found({mx(20, "b.org"), mx(10, "b.org")}), "10 b.org"},
        {"SC-007 H88 ourselves and worse are dropped",
         found({mx(10, "mx.org"), mx(20, "relay.example.com"), mx(20, "peer.org"), mx(30, "o.org")}), "10 mx.org"},
        {"SC-007 nothing left: loop", found({mx(10, "relay.example.com"), mx(30, "o.org")}), "bounced mail-loop 5.4.6",
         "deferred mail-loop 4.3.5"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(chosen(domain(), &row.answer, self), row.want) << row.name;
        EXPECT_EQ(chosen(domain(true), &row.answer, self), row.want_configured ? row.want_configured : row.want)
            << row.name;
    }
    EXPECT_EQ(chosen(domain(), nullptr), "deferred dns-error 4.4.3") << "fail closed: no answer is a failed one";
}

TEST(ChooseHosts, ExplicitHostAndLiteralNeedNoMx) { // DANE-030, DANE-032
    NextHop host = domain(true);
    host.kind = NextHop::Kind::host;
    EXPECT_EQ(chosen(host, nullptr), "0 example.org");
    NextHop literal;
    literal.kind = NextHop::Kind::literal;
    literal.address = ip("192.0.2.1");
    EXPECT_EQ(chosen(literal, nullptr), "");
}

TEST(ChooseHosts, EqualsAreDrawnAnewEachTime) { // SC-005, H84
    const auto four =
        answer(Status::insecure, std::vector{mx(10, "a"), mx(10, "b"), mx(10, "c"), mx(10, "d"), mx(5, "e")});
    std::map<std::string, int> first;
    SeededRng rng(7);
    for (int i = 0; i < 400; ++i) {
        const auto hosts = std::get<MxChoice>(choose_hosts(domain(), &four, {}, rng)).hosts;
        ASSERT_EQ(hosts[0].name, name("e"));
        ++first[hosts[1].name.text()];
    }
    ASSERT_EQ(first.size(), 4u);
    for (const auto& [host, count] : first) {
        EXPECT_GE(count, 60) << host;
        EXPECT_LE(count, 140) << host;
    }
}

TEST(ChooseHosts, TooManyHostsAreCutAtTheWorstEnd) { // DANE-055
    std::vector<dns::Mx> many;
    for (std::uint16_t i = 0; i < 200; ++i)
        many.push_back(mx(static_cast<std::uint16_t>(200 - i), "m" + std::to_string(i)));
    const auto all = answer(Status::secure, many);
    SeededRng rng(1);
    const auto choice = std::get<MxChoice>(choose_hosts(domain(), &all, {}, rng));
    ASSERT_EQ(choice.hosts.size(), limits::hosts);
    EXPECT_EQ(choice.hosts.front().preference, 1);
    EXPECT_EQ(choice.hosts.back().preference, limits::hosts);
    EXPECT_EQ(choice.notes.size(), 1u);
}

TEST(IsOurs, ByAddressAndPort) { // D-23
    const Ourselves self{
        {}, {{ip("192.0.2.9"), 25}, {ip("0.0.0.0"), 587}, {ip("::"), 2525}}, {ip("192.0.2.9"), ip("2001:db8::9")}};
    struct {
        const char* address;
        std::uint16_t port;
        bool want;
    } const rows[] = {
        {"192.0.2.9", 25, true},   {"192.0.2.9", 26, false},   {"127.0.0.1", 25, false},    {"127.0.0.1", 587, true},
        {"192.0.2.9", 587, true},  {"192.0.2.10", 587, false}, {"2001:db8::9", 587, false}, {"2001:db8::9", 2525, true},
        {"192.0.2.9", 2525, true}, {"::1", 2525, true},
    };
    for (const auto& row : rows)
        EXPECT_EQ(is_ours({ip(row.address), row.port}, self), row.want) << row.address << row.port;
}

} // namespace
} // namespace danelaw::dane::testing
