// The pre-flight: what delivery would do for a domain right now, by the code that does it: the same router, planner,
// channel and verifier (DANE-130). Nothing is sent but EHLO, STARTTLS, EHLO and QUIT.
#pragma once

#include "danelaw/delivery/channel.hpp"
#include "danelaw/delivery/router.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <vector>

namespace danelaw::delivery {

enum class Probing { no, yes };

struct CheckRequest {
    std::string lane; // lower-case A-label domain, or a literal in brackets
    Probing probing = Probing::yes;
    std::optional<dns::Name> only_mx; // --mx HOST
};

// One conversation with one address.
struct Probe {
    Endpoint endpoint;
    bool starttls = false; // offered
    bool ok = false;
    std::optional<tls::Outcome> tls;
    Level level = Level::none;
    Reason reason = Reason::none;
    std::string text;
    // A server may hold two certificates: did the other kind's handshake work, and would the TLSA set cover it? (H74)
    enum class Kind { not_tried, absent, passes, fails };
    Kind ecdsa = Kind::not_tried, rsa = Kind::not_tried;
    std::optional<tls::Outcome> ecdsa_tls, rsa_tls;
};

struct HostCheck {
    const dane::HostPlan* plan = nullptr; // within route
    std::vector<Probe> probes;
};

struct CheckReport {
    Route route;
    std::vector<HostCheck> hosts;   // in the order that delivery would try them
    std::optional<Verdict> verdict; // delivered stands for "deliver"
    Level level = Level::none;
    Reason reason = Reason::none;
    std::string text;                // the verdict in one sentence
    std::vector<std::string> advice; // what the remote should mend
};

// A domain, an address literal in brackets, or what stands behind the @ of an address; nullopt: none of these.
std::optional<std::string> check_lane(std::string_view text);

Task<std::unique_ptr<CheckReport>> check(Router& router, tls::Client& tls, ChannelRules rules, CheckRequest request);

// The contract's form: {"domain","policy","mx":{…},"hosts":[…],"verdict":"deliver|defer|bounce",…}.
boost::json::object to_json(const CheckReport& report, const CheckRequest& request);

} // namespace danelaw::delivery
