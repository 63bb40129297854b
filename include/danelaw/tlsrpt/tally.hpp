// How sessions are counted so that they add up to reports, also after a restart and over several relays: a counter for
// each group of equal sessions, its key telling all of them. Pure. RFC 8460 4.3, 4.4; TR-011, TR-012, TR-020, TR-049.
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/tlsrpt/session.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace danelaw::tlsrpt {

// "2026-11-25", UTC.
std::string day_of(Time t);
std::optional<std::chrono::sys_days> parse_day(std::string_view text);

// What the store keeps: counters by key "DAY DOMAIN DIGEST FAILURE", and for each digest the policy that it stands for.
struct Group {
    std::string day, domain;
    std::string digest;  // of the policy's text
    std::string failure; // JSON: a member of failure-details without its count; "" for successes
    std::string key() const;
};
std::optional<Group> parse_key(std::string_view key);

std::string policy_text(const Session& session); // JSON: the member `policy` of the report
Group group_of(const Session& session, std::string_view day);
// The same without particulars but the result: for what is beyond limits::report_groups.
Group coarse(Group group);

struct Counted {
    Group group;
    std::uint64_t count = 0;
};
using Policies = std::map<std::string, std::string>; // digest → policy text

} // namespace danelaw::tlsrpt
