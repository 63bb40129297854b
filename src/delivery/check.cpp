// `danelaw check`: plan, probe every address, conclude as delivery would.
#include "danelaw/delivery/check.hpp"

#include "attempt.hpp"

#include "danelaw/base/text.hpp"

#include <fmt/format.h>

namespace danelaw::delivery {
namespace {

using Kind = Probe::Kind;
using Keys = tls::Client::KeyPreference;

// The other certificate of a server that holds two: it is what some senders will see.
Task<std::pair<Kind, std::optional<tls::Outcome>>> probe_kind(tls::Client& tls, const dane::HostPlan& host,
                                                              Endpoint endpoint, ChannelRules rules, Keys keys) {
    rules.keys = keys;
    auto channel = co_await open_channel(tls, host, endpoint, rules);
    if (channel) {
        auto outcome = channel->tls;
        co_await channel->quit();
        co_return std::pair(Kind::passes, std::move(outcome));
    }
    const auto& failure = channel.error();
    if (failure.stage == ChannelFailure::Stage::verify) co_return std::pair(Kind::fails, failure.tls);
    co_return std::pair(Kind::absent, std::optional<tls::Outcome>());
}

Task<Probe> probe(tls::Client& tls, const dane::HostPlan& host, Endpoint endpoint, ChannelRules rules) {
    Probe out;
    out.endpoint = endpoint;
    auto channel = co_await open_channel(tls, host, endpoint, rules);
    if (channel) {
        out.ok = true;
        out.starttls = channel->starttls_offered;
        out.level = channel->level;
        out.tls = channel->tls;
        co_await channel->quit();
    } else {
        auto& failure = channel.error();
        out.starttls = failure.starttls_offered;
        out.reason = failure.reason;
        out.text = failure.text;
        out.tls = std::move(failure.tls);
    }
    const bool reached_tls = out.tls && !out.tls->chain.empty();
    if (host.requirement == dane::Requirement::dane && reached_tls) {
        std::tie(out.ecdsa, out.ecdsa_tls) = co_await probe_kind(tls, host, endpoint, rules, Keys::ecdsa);
        std::tie(out.rsa, out.rsa_tls) = co_await probe_kind(tls, host, endpoint, rules, Keys::rsa);
    }
    co_return out;
}

dane::HostFailure failure_of(const dane::HostPlan& host, const Probe& probe) {
    dane::HostFailure out;
    out.host = host.name;
    out.reason = probe.reason;
    out.text = probe.text;
    out.demand = host.requirement == dane::Requirement::may ? dane::HostFailure::Demand::opportunistic
                                                            : dane::HostFailure::Demand::policy;
    return out;
}

void advise(CheckReport& report, const dane::HostPlan& host, const Probe& probe) {
    const auto name = host.shown();
    if (probe.reason == Reason::tlsa_invalid)
        report.advice.push_back(
            fmt::format("{}: the certificate matches no TLSA record: publish one for the present key "
                        "(danelaw tlsa generate), or install the certificate that the records name",
                        name));
    if (probe.reason == Reason::starttls_not_supported)
        report.advice.push_back(fmt::format("{}: offer STARTTLS to every client; the TLSA records promise it", name));
    if (probe.reason == Reason::certificate_expired)
        report.advice.push_back(fmt::format("{}: renew the certificate", name));
    if (probe.reason == Reason::certificate_host_mismatch)
        report.advice.push_back(
            fmt::format("{}: the certificate needs the name {}", name, join(host.reference_names, " or ")));
    const auto covers_one = [](Kind a, Kind b) { return a == Kind::passes && b == Kind::fails; };
    if (covers_one(probe.ecdsa, probe.rsa))
        report.advice.push_back(
            fmt::format("{}: the TLSA records cover the ECDSA certificate only, not the RSA one", name));
    if (covers_one(probe.rsa, probe.ecdsa))
        report.advice.push_back(
            fmt::format("{}: the TLSA records cover the RSA certificate only, not the ECDSA one", name));
    if (host.tlsa_unusable)
        report.advice.push_back(fmt::format("{}: no TLSA record is usable for SMTP (usage 2 or 3 is): mail goes out "
                                            "encrypted but unauthenticated",
                                            name));
}

// As delivery concludes: the first host that works, else the gravest failure.
void conclude_from(CheckReport& report, const CheckRequest& request) {
    const auto& plan = report.route.plan;
    if (plan.halt) {
        report.verdict = plan.halt->verdict;
        report.reason = plan.halt->reason;
        report.text = plan.halt->text;
        return;
    }
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
            failures.push_back(failure_of(*host.plan, one));
        }
    }
    const auto halt = dane::conclude(failures, report.route.destination.rules);
    report.verdict = halt.verdict;
    report.reason = halt.reason;
    report.text = halt.text;
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

Task<std::unique_ptr<CheckReport>> check(Router& router, tls::Client& tls, ChannelRules rules, CheckRequest request) {
    RouteOptions options;
    options.fresh = true;
    auto report = std::make_unique<CheckReport>();
    report->route = co_await router.route(request.lane, options);
    for (const auto& host : report->route.plan.hosts) {
        if (request.only_mx && host.name != *request.only_mx) continue;
        HostCheck entry;
        entry.plan = &host;
        if (request.probing == Probing::yes && host.requirement != dane::Requirement::skip &&
            !report->route.plan.halt) {
            for (const auto& address : host.addresses) {
                auto one = co_await probe(tls, host, Endpoint{address, host.port}, rules);
                advise(*report, host, one);
                entry.probes.push_back(std::move(one));
            }
        }
        report->hosts.push_back(std::move(entry));
    }
    conclude_from(*report, request);
    if (report->route.destination.hold) {
        report->verdict = Verdict::deferred;
        report->reason = Reason::policy_hold;
        report->text = "mail for this destination is held by a policy of this relay";
    }
    co_return report;
}

} // namespace danelaw::delivery
