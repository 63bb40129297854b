// Where the router gets a domain's MTA-STS policy from: the fetcher with its cache, or nothing in tests.
#pragma once

#include "danelaw/base/words.hpp"
#include "danelaw/dns/name.hpp"
#include "danelaw/sts/policy.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>

namespace danelaw::delivery {

// What is known about a domain's MTA-STS at this moment (MS-001…MS-025).
struct StsResult {
    std::optional<sts::Policy> policy; // valid and unexpired; nullopt: deliver as without
    // Why a domain that announces a policy has none to apply: sts-policy-fetch-error, sts-policy-invalid,
    // sts-webpki-invalid (TR-015); none otherwise.
    Reason failure = Reason::none;
    std::string text;
    bool announced = false; // a usable TXT record was found
    bool unsure = false;    // whether one is announced could not be looked up
    bool unknown = false;   // nobody could tell, the relay is stopping: nothing may be sent on this
};

class StsSource {
  public:
    virtual ~StsSource() = default;
    enum class Freshness { cached, ask_again }; // ask_again: before a bounce, MS-046
    virtual boost::asio::awaitable<StsResult> policy_for(dns::Name domain, Freshness freshness) = 0;
};

} // namespace danelaw::delivery
