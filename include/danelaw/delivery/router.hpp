// From a recipient domain to its plan: gathers DNS facts step by step, as the pure planner asks for them, applies the
// operator's policies, MTA-STS and the message's own wishes. Called by delivery for every attempt (DANE-014) and by
// `danelaw check` (DANE-130). One thread.
#pragma once

#include "danelaw/base/random.hpp"
#include "danelaw/dane/plan.hpp"
#include "danelaw/delivery/sts_source.hpp"
#include "danelaw/policy/destination.hpp"
#include "danelaw/resolver/resolver.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace danelaw::delivery {

template <class T> using Task = boost::asio::awaitable<T>;

// What the message itself asks of TLS (RFC 8689, D-25, D-26).
struct RouteOptions {
    bool requiretls = false;      // and a sender that is not null
    bool tls_required_no = false; // `TLS-Required: No`, and no REQUIRETLS
    bool tls_report = false;      // a TLS report: out whatever TLS does (TR-045)
    bool fresh = false;           // not from the route cache (`check`, an attempt after a failed one: DANE-014)
    bool sts_again = false;       // before a bounce: ask whether the MTA-STS policy changed (MS-046)
};

struct Route {
    dane::Plan plan;
    policy::Destination destination;
    StsResult sts;     // empty when not asked
    dane::Facts facts; // what the plan rests on, for `check`
};

// The settings that routing needs; replaced at a reload.
struct RouterSettings {
    dane::TlsRules tls;
    std::vector<policy::PolicyEntry> policies;
    std::uint16_t port = 25;
    bool use_ipv4 = true, use_ipv6 = true; // delivery.address_family
    dane::Ourselves self;
};

class Router {
  public:
    // `sts` may be null. `today` tells which policies entries hold (UTC day).
    Router(resolver::Resolver& resolver, StsSource* sts, const Clock& clock, Rng& rng, RouterSettings settings);
    ~Router();
    // `lane`: a lower-case A-label domain, or an address literal in brackets.
    Task<Route> route(std::string lane, RouteOptions options);
    void set_settings(RouterSettings settings);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::delivery
