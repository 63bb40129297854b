// What health concludes from counters and from the policies, without a daemon (DANE-010, D-27).
#include "../../../src/app/health.hpp"

#include <gtest/gtest.h>

namespace danelaw::app {
namespace {

using Counters = resolver::Resolver::Counters;

Counters counted(std::uint64_t secure, std::uint64_t insecure, std::uint64_t bogus = 0, std::uint64_t error = 0) {
    Counters out;
    out.secure = secure;
    out.insecure = insecure;
    out.bogus = bogus;
    out.error = error;
    return out;
}

TEST(SecureAnswersVanished, Table) { // DANE-010: DANE off in silence
    struct Row {
        const char* what;
        Counters before, then, now;
        bool want;
    };
    const Row rows[] = {
        {"some are secure", counted(0, 0), counted(10, 90), counted(11, 190), false},
        {"none is any more", counted(0, 0), counted(10, 90), counted(10, 190), true},
        {"all fail", counted(0, 0), counted(10, 90), counted(10, 90, 60, 40), true},
        {"none ever was: a relay to unsigned domains", counted(0, 0), counted(0, 100), counted(0, 200), false},
        {"none was in the time before", counted(10, 0), counted(10, 100), counted(10, 200), false},
        {"too few to tell", counted(0, 0), counted(10, 90), counted(10, 139), false},
        {"just enough", counted(0, 0), counted(10, 90), counted(10, 140), true},
    };
    for (const Row& row : rows) EXPECT_EQ(secure_answers_vanished(row.before, row.then, row.now), row.want) << row.what;
}

TEST(EndingPolicies, Table) { // D-27
    using std::chrono::year_month_day;
    const Time now = parse_rfc3339("2026-11-25T23:59:59.000Z").value();
    const auto entry = [](const char* match, std::optional<year_month_day> until) {
        policy::PolicyEntry out;
        out.match = {match, "b.test"};
        out.until = until;
        return out;
    };
    const auto day = [](unsigned month, unsigned d) {
        return year_month_day(std::chrono::year(2026), std::chrono::month(month), std::chrono::day(d));
    };
    const std::vector<std::string> want = {
        "the policy for past.test, b.test ended on 2026-11-24",
        "the policy for today.test, b.test ends on 2026-11-25",
        "the policy for week.test, b.test ends on 2026-12-02",
    };
    EXPECT_EQ(ending_policies({entry("past.test", day(11, 24)), entry("today.test", day(11, 25)),
                               entry("week.test", day(12, 2)), entry("later.test", day(12, 3)),
                               entry("never.test", std::nullopt)},
                              now),
              want);
}

} // namespace
} // namespace danelaw::app
