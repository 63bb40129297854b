// Rules by which arriving mail is held. See hold_rules.hpp.
#include "danelaw/delivery/hold_rules.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::delivery {
namespace {

constexpr const char* table = "hold"; // key: domain, line feed, sender; value: since when, in milliseconds

std::string key_of(const HoldRule& rule) {
    return lower(rule.domain) + "\n" + lower(rule.sender);
}

} // namespace

bool holds_back(const std::vector<HoldRule>& rules, const store::Message& message, const std::string& domain) {
    const bool fresh = std::ranges::all_of(
        message.recipients, [&](const message::Recipient& r) { return r.domain != domain || !r.last.has_value(); });
    return fresh && std::ranges::any_of(rules, [&](const HoldRule& rule) {
               return (rule.domain.empty() || iequals(rule.domain, domain)) &&
                      (rule.sender.empty() || iequals(rule.sender, message.envelope.reverse_path));
           });
}

store::Task<Result<std::vector<HoldRule>>> hold_rules(store::Queue& queue) {
    auto all = co_await queue.scan(table, "");
    if (!all) co_return fail(all.error());
    std::vector<HoldRule> rules;
    for (const auto& [key, value] : *all) {
        const auto line = key.find('\n');
        const auto since = parse_number(value);
        if (line == std::string::npos || !since) continue;
        rules.push_back({key.substr(0, line), key.substr(line + 1), Time(Millis(*since))});
    }
    co_return rules;
}

store::Task<Result<void>> add_hold(store::Queue& queue, HoldRule rule) {
    const auto since = std::to_string(std::max<std::int64_t>(0, rule.since.time_since_epoch().count()));
    co_return co_await queue.put(table, key_of(rule), since);
}

store::Task<Result<void>> remove_hold(store::Queue& queue, HoldRule rule) {
    co_return co_await queue.put(table, key_of(rule), "");
}

} // namespace danelaw::delivery
