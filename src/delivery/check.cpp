// `danelaw check`: plan, probe every address, conclude as delivery would.
#include "danelaw/delivery/check.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/net/task_group.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <map>
#include <stdexcept>

namespace danelaw::delivery {
namespace {

using Kind = KeyProbe::Kind;
using Keys = tls::Client::KeyPreference;

bool authenticates(const dane::HostPlan& host) {
    switch (host.requirement) {
    case dane::Requirement::dane:
    case dane::Requirement::pkix:
    case dane::Requirement::mta_sts: return true;
    case dane::Requirement::none:
    case dane::Requirement::may:
    case dane::Requirement::encrypt:
    case dane::Requirement::skip: return false;
    }
    return false;
}

// A server without a certificate of that kind refuses the handshake; whatever else happened says nothing about it.
bool refused_that_kind(const ChannelFailure& failure) {
    if (failure.stage != ChannelFailure::Stage::handshake || !failure.tls) return false;
    return failure.tls->failure_code == "handshake-failed" || failure.tls->failure_code == "handshake-closed";
}

// The other certificate of a server that holds two: it is what some senders will see.
Task<KeyProbe> probe_kind(tls::Client& tls, const dane::HostPlan& host, Endpoint endpoint, ChannelRules rules,
                          Keys keys) {
    rules.keys = keys;
    KeyProbe out;
    auto channel = co_await open_channel(tls, host, endpoint, rules);
    if (channel) {
        out.kind = Kind::passes;
        out.tls = channel->tls;
        co_await channel->quit();
        co_return out;
    }
    auto& failure = channel.error();
    if (failure.stage == ChannelFailure::Stage::verify) {
        out.kind = Kind::fails;
        out.tls = std::move(failure.tls);
    } else {
        out.kind = refused_that_kind(failure) ? Kind::absent : Kind::unknown;
        out.text = std::move(failure.text);
    }
    co_return out;
}

// The certificate that was negotiated need not be asked for again; the other kind is.
Task<void> probe_kinds(tls::Client& tls, const dane::HostPlan& host, ChannelRules rules, Probe& out) {
    const auto& key = out.tls->chain.front().key;
    const KeyProbe seen{out.ok ? Kind::passes : Kind::fails, out.tls, {}};
    const bool is_rsa = key.starts_with("RSA"), is_ecdsa = key.starts_with("EC ");
    out.ecdsa = seen;
    out.rsa = seen;
    if (!is_ecdsa) out.ecdsa = co_await probe_kind(tls, host, out.endpoint, rules, Keys::ecdsa);
    if (!is_rsa) out.rsa = co_await probe_kind(tls, host, out.endpoint, rules, Keys::rsa);
}

Task<void> probe(tls::Client& tls, const dane::HostPlan& host, ChannelRules rules, Probe& out) {
    auto channel = co_await open_channel(tls, host, out.endpoint, rules);
    if (channel) {
        out.ok = true;
        out.starttls = channel->starttls_offered;
        out.level = channel->level;
        out.tls = channel->tls;
        co_await channel->quit();
    } else {
        out.failure = std::move(channel.error());
        out.starttls = out.failure->starttls_offered;
        out.tls = out.failure->tls;
    }
    const bool reached_tls = out.tls && !out.tls->chain.empty();
    if (authenticates(host) && reached_tls) co_await probe_kinds(tls, host, rules, out);
}

struct Target {
    const dane::HostPlan* host;
    Probe* probe;
};

// A server that several names lead to is asked for one after the other: it may limit a client's connections.
Task<void> probe_in_turn(tls::Client& tls, ChannelRules rules, std::vector<Target> targets) {
    for (const auto& target : targets) co_await probe(tls, *target.host, rules, *target.probe);
}

// Different servers side by side: a dead one costs its time-out once.
Task<void> probe_all(CheckReport& report, tls::Client& tls, const ChannelRules& rules) {
    std::map<std::string, std::vector<Target>> servers;
    for (auto& host : report.hosts) {
        if (host.plan->requirement == dane::Requirement::skip) continue;
        for (const auto& address : host.plan->addresses) {
            Probe one;
            one.endpoint = {address, host.plan->port};
            host.probes.push_back(std::move(one));
        }
        for (auto& one : host.probes) servers[one.endpoint.text()].push_back({host.plan, &one});
    }
    std::string bug;
    const auto on_bug = [&bug](const std::string&, const std::string& what) { bug = what; };
    const auto executor = co_await boost::asio::this_coro::executor;
    net::TaskGroup side_by_side(executor, on_bug);
    for (auto& [endpoint, targets] : servers)
        side_by_side.spawn(endpoint, probe_in_turn(tls, rules, std::move(targets)));
    co_await side_by_side.join();
    if (!bug.empty()) throw std::runtime_error(bug);
}

void take(CheckReport& report, const dane::Halt& halt) {
    report.verdict = halt.verdict;
    report.reason = halt.reason;
    report.text = halt.text;
}

// As delivery concludes: the first host that works, else the gravest failure.
void conclude_from(CheckReport& report, const CheckRequest& request) {
    const auto& plan = report.route.plan;
    if (plan.halt) return take(report, *plan.halt);
    std::vector<dane::HostFailure> failures;
    for (const auto& host : report.hosts) {
        if (host.plan->requirement == dane::Requirement::skip) {
            failures.push_back(dane::skipped(plan, *host.plan));
            continue;
        }
        if (request.probing == Probing::no) {
            report.verdict = Verdict::delivered;
            report.text = fmt::format("mail would go to {} (requirement {}); not probed", host.plan->shown(),
                                      dane::word(host.plan->requirement));
            return;
        }
        for (const auto& one : host.probes) {
            if (one.ok) {
                report.verdict = Verdict::delivered;
                report.level = one.level;
                report.text = fmt::format("mail would go to {} at {}, TLS level {}", host.plan->shown(),
                                          one.endpoint.text(), word(one.level));
                return;
            }
            failures.push_back(host_failure(plan.next_hop, *host.plan, *one.failure)); // SC-008, D-14: as delivery
        }
    }
    take(report, dane::conclude(failures, report.route.destination.rules));
    if (failures.empty() && request.only_mx)
        report.text = request.only_mx->text() + " is not among the hosts that mail would go to";
}

} // namespace

std::optional<std::string> check_lane(std::string_view text) {
    const auto at = text.rfind('@');
    const std::string_view domain = at == std::string_view::npos ? text : text.substr(at + 1);
    if (domain.starts_with('[') && domain.ends_with(']')) return lower(domain);
    const auto name = dns::Name::from(domain);
    if (!name || name->empty()) return std::nullopt;
    return name->text();
}

std::string_view covered(const Probe& probe) {
    const auto seen = [](const KeyProbe& p) { return p.kind == Kind::passes || p.kind == Kind::fails; };
    if (!seen(probe.ecdsa) || !seen(probe.rsa)) return "";
    const bool ecdsa = probe.ecdsa.kind == Kind::passes, rsa = probe.rsa.kind == Kind::passes;
    return ecdsa ? (rsa ? "both" : "ecdsa") : (rsa ? "rsa" : "none");
}

Task<std::unique_ptr<CheckReport>> check(Router& router, tls::Client& tls, ChannelRules rules, CheckRequest request) {
    RouteOptions options;
    options.fresh = true;
    auto report = std::make_unique<CheckReport>();
    report->route = co_await router.route(request.lane, options);
    for (const auto& host : report->route.plan.hosts) {
        if (request.only_mx && host.name != *request.only_mx) continue;
        HostCheck entry;
        entry.plan = &host;
        report->hosts.push_back(std::move(entry));
    }
    if (request.probing == Probing::yes && !report->route.plan.halt) co_await probe_all(*report, tls, rules);
    conclude_from(*report, request);
    advise(*report, request.at);
    if (report->route.destination.hold) {
        report->verdict = Verdict::deferred;
        report->reason = Reason::policy_hold;
        report->text = "mail for this destination is held by a policy of this relay";
    }
    co_return report;
}

} // namespace danelaw::delivery
