// What is to be done about a domain's policy at this moment: use what is cached, fetch first, fetch behind. Pure.
// Called by the fetcher. RFC 8461 3.3, 5.1, 10.2; MS-005…MS-007, MS-015…MS-017, MS-022…MS-025.
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/sts/policy.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace danelaw::sts {

struct Cached {
    std::string id; // of the record that led to it
    Time fetched{};
    Policy policy;
};

// An expired policy is none (MS-025). A clock set back does not end one (H128).
bool fresh(const Cached& cached, Time now);

// What the TXT lookup came to. Its failure or absence says nothing against a cached policy (MS-005, MS-007).
struct Announcement {
    std::optional<std::string> id; // nullopt: none announced, or the lookup failed
};

struct FailedFetch {
    std::string id;
    Time at{};
};

enum class Fetch {
    no,
    first,  // before delivery goes on: there is nothing to apply yet, or the id is new (MS-006)
    behind, // delivery goes on with the cached policy meanwhile (MS-017)
};
// `failed`: the last fetch that failed since the last that succeeded.
Fetch fetch_now(const std::optional<Cached>& cached, const Announcement& announced,
                const std::optional<FailedFetch>& failed, Time now);

// For the store: it survives restarts (MS-024).
std::string to_text(const Cached& cached);
std::optional<Cached> cached_from(std::string_view text);

} // namespace danelaw::sts
