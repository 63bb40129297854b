// The whole product policy × insecure_mx × MX × address × TLSA against a file that a person can read.
// DANELAW_UPDATE_GOLDEN=1 writes it anew: then read the difference.
#include "facts_support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace danelaw::dane::testing {
namespace {

constexpr TlsPolicy policies[] = {TlsPolicy::dane, TlsPolicy::dane_only, TlsPolicy::none,
                                  TlsPolicy::may,  TlsPolicy::encrypt,   TlsPolicy::verify};
constexpr InsecureMx insecure_mx[] = {InsecureMx::dane, InsecureMx::encrypt, InsecureMx::may};
constexpr MxCase mx_cases[] = {MxCase::direct, MxCase::absent,   MxCase::secure, MxCase::insecure, MxCase::bogus,
                               MxCase::error,  MxCase::nxdomain, MxCase::nullmx, MxCase::literal};
constexpr AddressCase addresses[] = {AddressCase::secure,      AddressCase::alias,       AddressCase::insecure,
                                     AddressCase::alias_bogus, AddressCase::alias_error, AddressCase::bogus,
                                     AddressCase::error,       AddressCase::absent};
constexpr TlsaCase tlsas[] = {TlsaCase::usable,   TlsaCase::unusable, TlsaCase::absent,
                              TlsaCase::insecure, TlsaCase::bogus,    TlsaCase::error};

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size() + 1), ' ');
    return text;
}

// "?" marks a cell whose TLSA lookup was made, "a" one whose first alias was asked for.
std::string cell(const Scenario& scenario, const TlsRules& rules) {
    const auto gathered = gather(scenario, rules);
    std::string marks = gathered.alias_asked ? "a" : "";
    if (!gathered.bases_asked.empty()) marks += "?";
    const auto text = verdict_of(plan(gathered.facts, rules, {}));
    return marks.empty() ? text : text + " " + marks;
}

// One line when nothing in the block matters, else a line an address status, a column a TLSA status.
std::string block(TlsPolicy policy, InsecureMx weak, MxCase mx) {
    TlsRules rules;
    rules.policy = policy;
    rules.insecure_mx = weak;
    std::string rows, first;
    bool same = true;
    for (const auto address : addresses) {
        std::vector<std::string> cells;
        for (const auto tlsa_case : tlsas) cells.push_back(cell({mx, address, tlsa_case, {}}, rules));
        if (first.empty()) first = cells.front();
        for (const auto& c : cells) same = same && c == first;
        rows += "  " + padded(std::string(word(address)), 12);
        if (std::ranges::all_of(cells, [&](const auto& c) { return c == cells.front(); })) {
            rows += "| " + cells.front() + "\n";
        } else {
            for (const auto& c : cells) rows += "| " + padded(c, 24);
            rows.erase(rows.find_last_not_of(' ') + 1);
            rows += "\n";
        }
    }
    return same ? "  always      | " + first + "\n" : rows;
}

std::string whole_product() {
    std::string out =
        "Policy x insecure_mx x MX status; a line an address status; columns: the TLSA RRset at the base is "
        "usable,\nunusable, absent, insecure, bogus, error (one column: the same for all). One host. "
        "`?`: TLSA was asked for; `a`: the\nfirst alias's own status was. `unsecured`: behind an insecure "
        "MX RRset (D-29).\n";
    for (const auto policy : policies)
        for (const auto mx : mx_cases) {
            std::vector<std::pair<std::string, std::string>> variants; // text, the insecure_mx words that give it
            for (const auto weak : insecure_mx) {
                const auto text = block(policy, weak, mx);
                if (!variants.empty() && variants.back().first == text)
                    variants.back().second += "|" + std::string(word(weak));
                else
                    variants.emplace_back(text, word(weak));
            }
            for (const auto& [text, weak] : variants) {
                out += "\npolicy " + std::string(danelaw::word(policy)) + ", MX " + std::string(word(mx));
                if (variants.size() > 1) out += ", insecure_mx " + weak;
                out += "\n" + text;
            }
        }
    return out;
}

TEST(PlanMatrix, IsWhatTheGoldenFileSays) { // DANE-130
    const std::string path = std::string(DANELAW_TEST_DATA) + "/plan.golden";
    const std::string now = whole_product();
    if (std::getenv("DANELAW_UPDATE_GOLDEN")) std::ofstream(path) << now;
    std::ifstream file(path);
    std::stringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(golden.str(), now);
}

// The promise itself, over the whole product: a secure TLSA RRset never leads to clear text (DANE-121), nor a failed
// lookup to a connection (DANE-004, DANE-052).
TEST(PlanMatrix, NothingFailsOpen) {
    for (const auto policy : {TlsPolicy::dane, TlsPolicy::dane_only})
        for (const auto weak : insecure_mx)
            for (const auto mx : mx_cases)
                for (const auto address : addresses)
                    for (const auto tlsa_case : tlsas) {
                        TlsRules rules;
                        rules.policy = policy;
                        rules.insecure_mx = weak;
                        const auto gathered = gather({mx, address, tlsa_case, {}}, rules);
                        const auto made = plan(gathered.facts, rules, {});
                        if (made.hosts.empty()) continue;
                        const auto& host = made.hosts.front();
                        SCOPED_TRACE(verdict_of(made));
                        const bool found = !gathered.bases_asked.empty();
                        if (found && (tlsa_case == TlsaCase::usable || tlsa_case == TlsaCase::unusable)) {
                            EXPECT_NE(host.requirement, Requirement::may);
                            EXPECT_NE(host.requirement, Requirement::none);
                            EXPECT_FALSE(host.clear_after_failed_tls);
                        }
                        if (found && (tlsa_case == TlsaCase::bogus || tlsa_case == TlsaCase::error)) {
                            EXPECT_EQ(host.requirement, Requirement::skip);
                            EXPECT_TRUE(host.addresses.empty());
                            EXPECT_EQ(made.ttl, Seconds{0}) << "a failure was kept";
                        }
                        if (policy == TlsPolicy::dane_only && !made.halt) {
                            EXPECT_EQ(host.requirement, Requirement::dane);
                            EXPECT_TRUE(host.secured);
                        }
                    }
}

} // namespace
} // namespace danelaw::dane::testing
