// An MTA-STS policy: its text as values, and whether it names a host. Pure. RFC 8461 3.2, 4.1; MS-020…MS-023, MS-040.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/dns/name.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace danelaw::sts {

enum class Mode { enforce, testing, none };
std::string_view word(Mode m);

struct Policy {
    Mode mode = Mode::none;
    std::vector<std::string> mx; // "mx.example.org", "*.example.org": lower-case A-labels
    Seconds max_age{0};          // at most a year; 0: not to be cached
    std::string text;            // as fetched

    std::vector<std::string> lines() const; // of `text`, errors and all: TLSRPT's policy-string
    bool operator==(const Policy&) const = default;
};

// errc::parse names the first thing that is wrong.
Result<Policy> parse_policy(std::string_view text);

// Is this MX host one of the policy's? `*` stands for exactly one label. The name as the MX gave it.
bool matches(const Policy& policy, const dns::Name& host);

} // namespace danelaw::sts
