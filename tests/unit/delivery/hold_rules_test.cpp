// Which arriving mail does an operator's rule hold? DQ-019.
#include "danelaw/delivery/hold_rules.hpp"

#include <gtest/gtest.h>

namespace danelaw::delivery {
namespace {

store::Message mail(std::string sender, std::optional<message::Outcome> last) {
    store::Message m;
    m.envelope.reverse_path = std::move(sender);
    message::Recipient here, elsewhere;
    here.domain = "one.example";
    here.last = std::move(last);
    elsewhere.domain = "two.example";
    elsewhere.last = message::Outcome{}; // another destination's past is no matter
    m.recipients = {here, elsewhere};
    return m;
}

TEST(HoldRules, Table) {
    struct Row {
        const char* name;
        std::vector<HoldRule> rules;
        std::string sender;
        bool tried, held;
    };
    const std::vector<Row> rows = {
        {"no rule", {}, "a@from.example", false, false},
        {"its domain", {{"one.example", "", {}}}, "a@from.example", false, true},
        {"another domain", {{"two.example", "", {}}}, "a@from.example", false, false},
        {"a domain below", {{"example", "", {}}}, "a@from.example", false, false},
        {"its sender", {{"", "a@from.example", {}}}, "A@From.example", false, true},
        {"another sender", {{"", "b@from.example", {}}}, "a@from.example", false, false},
        {"both fit", {{"one.example", "a@from.example", {}}}, "a@from.example", false, true},
        {"one of both fits", {{"one.example", "b@from.example", {}}}, "a@from.example", false, false},
        {"the second rule", {{"two.example", "", {}}, {"one.example", "", {}}}, "", false, true},
        {"tried before", {{"one.example", "", {}}}, "a@from.example", true, false},
    };
    for (const Row& row : rows) {
        const auto last = row.tried ? std::optional(message::Outcome{}) : std::nullopt;
        EXPECT_EQ(holds_back(row.rules, mail(row.sender, last), "one.example"), row.held) << row.name;
    }
}

} // namespace
} // namespace danelaw::delivery
