// MTA-STS: record, policy text, matching, cache (MS-003…MS-045; H138, H139).
#include "danelaw/sts/cache.hpp"
#include "danelaw/sts/policy.hpp"
#include "danelaw/sts/record.hpp"

#include <gtest/gtest.h>

namespace danelaw::sts {
namespace {

TEST(FindRecord, Table) { // MS-003, MS-004, D-20, H138
    const std::string good = "v=STSv1; id=20160831085700Z;";
    struct {
        const char* name;
        std::vector<std::string> texts;
        const char* want; // the id; "" none announced
    } const rows[] = {
        {"none", {}, ""},
        {"one", {good}, "20160831085700Z"},
        {"H138a two", {"v=STSv1; id=1;", "v=STSv1; id=1;"}, ""},
        {"H138b beside a foreign one", {"v=spf1 -all", good}, "20160831085700Z"},
        {"H138c a blank before the first delimiter, alone", {"v=STSv1 ; id=1"}, "1"},
        {"H138d the same beside a foreign one", {"v=STSv1 ; id=1", "v=spf1 -all"}, ""},
        {"H138f no id", {"v=STSv1;"}, ""},
        {"H138f only others", {"v=STSv1; x=y"}, ""},
        {"H138g id of 32", {"v=STSv1; id=12345678901234567890123456789012"}, "12345678901234567890123456789012"},
        {"H138g id of 33", {"v=STSv1; id=123456789012345678901234567890123"}, ""},
        {"H138h lower case", {"v=stsv1; id=1"}, ""},
        {"H138i another field", {"v=STSv1; x=y; id=1"}, "1"},
        {"no blanks at all", {"v=STSv1;id=1"}, "1"},
        {"tabs", {"v=STSv1\t;\tid=1\t;\t"}, "1"},
        {"first id counts", {"v=STSv1; id=1; id=2"}, "1"},
        {"id with other octets", {"v=STSv1; id=1-2"}, ""},
        {"empty id", {"v=STSv1; id=;"}, ""},
        {"empty field", {"v=STSv1;; id=1"}, ""},
        {"field without value", {"v=STSv1; id=1; x"}, ""},
        {"field with two equal signs", {"v=STSv1; id=1; x=y=z"}, ""},
        {"blanks at the end belong to no delimiter", {"v=STSv1; id=1 "}, ""},
        {"name over 32 octets", {"v=STSv1; id=1; a12345678901234567890123456789012=y"}, ""},
        {"version alone", {"v=STSv1"}, ""},
        {"longer version", {"v=STSv12; id=1"}, ""},
        {"foreign alone", {"v=spf1 -all"}, ""},
    };
    for (const auto& row : rows) EXPECT_EQ(find_record(row.texts).value_or(Record{}).id, row.want) << row.name;
}

std::string parsed(std::string_view text) {
    const auto policy = parse_policy(text);
    if (!policy) return "invalid";
    std::string out = std::string(word(policy->mode)) + " " + std::to_string(policy->max_age.count());
    for (const auto& one : policy->mx) out += " " + one;
    return out;
}

TEST(ParsePolicy, Table) { // MS-020…MS-023, H139
    struct {
        const char* name;
        const char* text;
        const char* want;
    } const rows[] = {
        {"CRLF", "version: STSv1\r\nmode: enforce\r\nmx: mx.ex.test\r\nmx: *.ex.test\r\nmax_age: 86400\r\n",
         "enforce 86400 mx.ex.test *.ex.test"},
        {"LF, no final one", "version: STSv1\nmode: testing\nmx: a.ex.test\nmax_age: 1", "testing 1 a.ex.test"},
        {"mixed, blanks", "version:STSv1  \r\nmode:\tenforce \nmx:   a.ex.test\t\r\nmax_age: 1 \n",
         "enforce 1 a.ex.test"},
        {"unknown key", "version: STSv1\nmode: enforce\nfoo: bar: baz\nmx: a.ex.test\nmax_age: 1\n",
         "enforce 1 a.ex.test"},
        {"mode twice, the first counts", "version: STSv1\nmode: testing\nmode: enforce\nmx: a.ex.test\nmax_age: 1\n",
         "testing 1 a.ex.test"},
        {"version not first", "mode: enforce\nmx: a.ex.test\nmax_age: 1\nversion: STSv1\n", "enforce 1 a.ex.test"},
        {"no version", "mode: enforce\nmx: a.ex.test\nmax_age: 1\n", "invalid"},
        {"first version wrong", "version: STSv2\nversion: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: 1\n",
         "invalid"},
        {"no mode", "version: STSv1\nmx: a.ex.test\nmax_age: 1\n", "invalid"},
        {"no max_age", "version: STSv1\nmode: enforce\nmx: a.ex.test\n", "invalid"},
        {"no mx", "version: STSv1\nmode: enforce\nmax_age: 1\n", "invalid"},
        {"none needs no mx", "version: STSv1\nmode: none\nmax_age: 1\n", "none 1"},
        {"values have their case", "version: STSv1\nmode: Enforce\nmx: a.ex.test\nmax_age: 1\n", "invalid"},
        {"keys have their case", "version: STSv1\nMode: enforce\nmx: a.ex.test\nmax_age: 1\n", "invalid"},
        {"max_age 0", "version: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: 0\n", "enforce 0 a.ex.test"},
        {"max_age over a year", "version: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: 31557601\n",
         "enforce 31557600 a.ex.test"},
        {"max_age of 10 digits", "version: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: 9999999999\n",
         "enforce 31557600 a.ex.test"},
        {"max_age of 11 digits", "version: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: 99999999999\n", "invalid"},
        {"max_age negative", "version: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: -1\n", "invalid"},
        {"mx case and dot", "version: STSv1\nmode: enforce\nmx: *.EX.Test.\nmax_age: 1\n", "enforce 1 *.ex.test"},
        {"mx *", "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n", "invalid"},
        {"mx *.", "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1\n", "invalid"},
        {"mx a.*.b", "version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n", "invalid"},
        {"mx empty", "version: STSv1\nmode: enforce\nmx:\nmax_age: 1\n", "invalid"},
        {"mx U-label",
         "version: STSv1\nmode: enforce\nmx: mx.b\xc3\xbc"
         "cher.test\nmax_age: 1\n",
         "invalid"},
        {"one bad mx of two", "version: STSv1\nmode: enforce\nmx: a.ex.test\nmx: a..b\nmax_age: 1\n", "invalid"},
        {"a web page", "<html><body>Not found</body></html>", "invalid"},
        {"empty", "", "invalid"},
    };
    for (const auto& row : rows) EXPECT_EQ(parsed(row.text), row.want) << row.name;
}

TEST(Matches, OneLabelForTheStar) { // MS-040
    const auto policy = parse_policy("version: STSv1\nmode: enforce\nmx: *.ex.test\nmx: mx.other.test\nmax_age: 1\n");
    ASSERT_TRUE(policy);
    const std::pair<const char*, bool> rows[] = {
        {"mail.ex.test", true},  {"ex.test", false},         {"a.b.ex.test", false},     {"mx.other.test", true},
        {"MX.Other.Test", true}, {"a.mx.other.test", false}, {"mail.notex.test", false}, {"mailex.test", false},
    };
    for (const auto& [host, want] : rows) EXPECT_EQ(matches(*policy, *dns::Name::from(host)), want) << host;
}

Cached cached(std::string id, Seconds max_age) {
    auto policy = parse_policy(
        "version: STSv1\nmode: enforce\nmx: a.ex.test\nmax_age: " + std::to_string(max_age.count()) + "\n");
    return {std::move(id), Time{std::chrono::hours(1000)}, *policy};
}

TEST(FetchNow, Table) { // MS-005…MS-007, MS-015, MS-017, MS-025
    const Time fetched{std::chrono::hours(1000)};
    const auto week = cached("1", std::chrono::hours(168));
    const auto at = [&](int minutes) { return fetched + std::chrono::minutes(minutes); };
    const int day = 24 * 60;
    struct {
        const char* name;
        std::optional<Cached> have;
        std::optional<std::string> id;
        std::optional<FailedFetch> failed;
        Time now;
        Fetch want;
    } const rows[] = {
        {"nothing announced, nothing cached", {}, {}, {}, at(0), Fetch::no},
        {"announced, nothing cached", {}, "1", {}, at(0), Fetch::first},
        {"same id", week, "1", {}, at(10), Fetch::no},
        {"new id", week, "2", {}, at(10), Fetch::first},
        {"same id, a day later", week, "1", {}, at(day), Fetch::behind},
        {"TXT gone, a day later: refresh whatever it says", week, {}, {}, at(day), Fetch::behind},
        {"TXT gone, fresh", week, {}, {}, at(10), Fetch::no},
        {"expired, announced", week, "1", {}, at(7 * day), Fetch::first},
        {"expired, TXT gone", week, {}, {}, at(7 * day), Fetch::no},
        {"failed a moment ago", {}, "1", FailedFetch{"1", at(0)}, at(4), Fetch::no},
        {"failed five minutes ago", {}, "1", FailedFetch{"1", at(0)}, at(5), Fetch::first},
        {"failed for another id", {}, "2", FailedFetch{"1", at(0)}, at(1), Fetch::first},
        {"clock set back", week, "1", {}, at(-60), Fetch::no},
    };
    for (const auto& row : rows) EXPECT_EQ(fetch_now(row.have, {row.id}, row.failed, row.now), row.want) << row.name;
}

TEST(Fresh, CountsFromTheFetch) { // MS-022, MS-024, MS-025
    const auto minute = cached("1", Seconds(60));
    EXPECT_TRUE(fresh(minute, minute.fetched + Seconds(59)));
    EXPECT_FALSE(fresh(minute, minute.fetched + Seconds(60)));
    EXPECT_TRUE(fresh(minute, minute.fetched - std::chrono::hours(1)));
    EXPECT_FALSE(fresh(cached("1", Seconds(0)), minute.fetched)) << "max_age 0 is not cached";
}

TEST(CachedText, SurvivesTheStore) { // MS-024
    const auto one = cached("20160831085700Z", Seconds(60));
    const auto back = cached_from(to_text(one));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->id, one.id);
    EXPECT_EQ(back->fetched, one.fetched);
    EXPECT_EQ(back->policy, one.policy);
    EXPECT_FALSE(cached_from("1\nx\nversion: STSv1"));
    EXPECT_FALSE(cached_from(""));
}

} // namespace
} // namespace danelaw::sts
