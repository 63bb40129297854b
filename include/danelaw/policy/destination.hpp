// Where a recipient domain's mail goes and under which TLS rules: the first entry of `policies` that matches, over tls:.
// Pure. Called by delivery's router and by `danelaw check`. DANE-030…033, DANE-127, D-10, D-25…28.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/words.hpp"
#include "danelaw/dane/plan.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::policy {

// An entry of `policies`: what it sets is set, the rest is inherited from tls:.
struct PolicyEntry {
    std::vector<std::string> match; // lower-case A-labels; a leading dot: any sub-domain; "*": everything
    std::optional<TlsPolicy> tls;
    std::optional<dane::InsecureMx> insecure_mx;
    std::optional<dane::OnFailure> on_failure;
    std::optional<std::string> min_protocol, ca_file;
    std::optional<bool> mta_sts;
    std::string next_hop; // as written; parsed form by policy::next_hop()
    bool hold = false;
    std::string note;
    std::optional<std::chrono::year_month_day> until; // the last day on which the entry holds (UTC)
};

// "[host]:port", "[192.0.2.1]:25", "[IPv6:2001:db8::1]", "[2001:db8::1]:25", "host:port", "host". The port defaults to
// `port`. errc::config names what is wrong.
Result<dane::NextHop> next_hop(std::string_view text, std::uint16_t port);

} // namespace danelaw::policy
