// When the writer waits for company, and that nothing is lost or left waiting by it: DQ-001, DQ-005.
#include "danelaw/store/group_commit.hpp"

#include <gtest/gtest.h>

namespace danelaw::store {
namespace {

using namespace std::chrono_literals;

TEST(GroupCommit, WaitForCompanyTable) {
    constexpr bool outcomes = false, answers = true;
    struct {
        Waiting waiting;
        LastCommit last;
        std::chrono::microseconds want;
        const char* why;
    } const rows[] = {
        {{1, outcomes}, {0, 1h}, 0us, "the first of all"},
        {{1, outcomes}, {50, 6ms}, 0us, "long after the last"},
        {{1, answers}, {50, 6ms}, 0us, "a client alone"},
        {{1, outcomes}, {1, 0ms}, 0us, "one mail after the other: nobody to wait for (DQ-005)"},
        {{1, outcomes}, {2, 1ms}, 0us, "one client's mail and its outcome"},
        {{1, outcomes}, {3, 5ms}, 3000us, "several came together a moment ago"},
        {{20, outcomes}, {100, 0ms}, 3000us, "under load"},
        {{1, answers}, {7, 0ms}, 0us, "few clients: each one's wait counts"},
        {{1, answers}, {8, 0ms}, 1000us, "many clients"},
        {{31, answers}, {8, 0ms}, 1000us, "not yet enough"},
        {{32, outcomes}, {100, 0ms}, 0us, "company enough"},
        {{32, answers}, {100, 0ms}, 0us, "company enough"},
    };
    for (const auto& row : rows) EXPECT_EQ(wait_for_company(row.waiting, row.last), row.want) << row.why;
}

} // namespace
} // namespace danelaw::store
