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
    Time at{};                        // for the page: how many days a certificate has left
};

// A server may hold an ECDSA and an RSA certificate, and each sender sees the one that it negotiates: would the other
// pass too? (H74)
struct KeyProbe {
    enum class Kind {
        not_tried, // nothing is authenticated here, or no handshake was reached
        absent,    // the server has no such certificate
        passes,
        fails,
        unknown, // the further connection failed for another reason
    };
    Kind kind = Kind::not_tried;
    std::optional<tls::Outcome> tls;
    std::string text; // of unknown
};

// One conversation with one address.
struct Probe {
    Endpoint endpoint;
    bool starttls = false; // offered
    bool ok = false;
    std::optional<tls::Outcome> tls;
    Level level = Level::none;
    std::optional<ChannelFailure> failure; // unless ok
    KeyProbe ecdsa, rsa;

    Reason reason() const { return failure ? failure->reason : Reason::none; }
    std::string text() const { return failure ? failure->text : std::string(); }
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
    std::vector<std::string> hints;  // what it could do better; mail goes out as it is
};

// A domain, an address literal in brackets, or what stands behind the @ of an address; nullopt: none of these.
std::optional<std::string> check_lane(std::string_view text);

Task<std::unique_ptr<CheckReport>> check(Router& router, tls::Client& tls, ChannelRules rules, CheckRequest request);

// Pure: which of a server's two certificates do the records cover? "both", "ecdsa", "rsa" or "none"; empty where it
// was not seen to have two.
std::string_view covered(const Probe& probe);
// Pure: fills advice and hints from what was found (check_advice.cpp). `at`: the moment of the check.
void advise(CheckReport& report, Time at);

// The contract's form: {"domain","policy","mx":{…},"hosts":[…],"verdict":"deliver|defer|bounce",…}; docs/check.md.
boost::json::object to_json(const CheckReport& report, const CheckRequest& request);

} // namespace danelaw::delivery
