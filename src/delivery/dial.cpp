// One address of one host: a channel as the plan demands, clear text where policy yields, and each TLS session told.
#include "delivery.hpp"

#include "danelaw/delivery/tls_session.hpp"
#include "danelaw/policy/overlay.hpp"

#include <utility>

namespace danelaw::delivery {

void Delivery::tell(const dane::HostPlan* host, const std::vector<policy::ReportedResult>& counted,
                    const Whereabouts& where) {
    const auto& tell_of = agent_.parts.on_tls_session;
    if (!tell_of || !counts_for_reports(message_.envelope)) return;
    for (const auto& one : counted) tell_of(tls_session(route_, host, one, where));
}

void Delivery::take_finding(const dane::HostPlan& host, const policy::TlsFinding& finding, const Whereabouts& where,
                            Attempt& attempt) {
    const auto counted = policy::report_session(host, finding);
    if (host.sts == dane::HostPlan::Sts::testing) // D-35: told here and in the report, and nothing else
        for (const auto& one : counted)
            if (one.policy == policy::ReportedPolicy::sts) attempt.sts_testing = one.result;
    tell(&host, counted, where);
}

// How often TLS was tried in vain for this message before; never, for one that demands it (DANE-125).
std::uint32_t Delivery::earlier_attempts() const {
    return message_.envelope.requiretls ? 0 : start_.job.attempts;
}

Task<std::expected<Channel, ChannelFailure>> Delivery::open(const dane::HostPlan& host, Endpoint endpoint,
                                                            Attempt& attempt, Pool::Reuse reuse) {
    auto rules = agent_.channel_rules();
    auto channel = co_await agent_.pool.take(host, endpoint, rules, reuse);
    if (channel) {
        attempt.reused = channel->messages > 0;
        const auto finding = std::exchange(channel->finding, std::nullopt);
        if (finding) take_finding(host, *finding, channel->where(), attempt);
        co_return channel;
    }
    const auto& failure = channel.error();
    if (!failure.finding) co_return channel;
    take_finding(host, *failure.finding, failure.where, attempt);
    const auto next = policy::after_tls(host, failure.finding->event, earlier_attempts());
    if (next != policy::TlsNext::clear_anew) co_return channel; // D-30
    Attempt first = attempt;
    first.tls = failure.tls;
    first.reason = failure.reason;
    first.text = failure.text + "; trying again in clear text, which the policy allows";
    first.enhanced = status_of(first.reason, Verdict::deferred);
    note(std::move(first));
    attempt.began = std::chrono::steady_clock::now();
    rules.protection = ChannelRules::Protection::clear_anew;
    co_return co_await agent_.pool.take(host, endpoint, rules, reuse);
}

// Who was not asked here must not be judged by the other hosts alone.
void Delivery::not_all_asked(const dane::HostPlan& host) {
    dane::HostFailure failure;
    failure.host = host.name;
    failure.reason = Reason::connection_lost;
    failure.text = "the host ended the connection before it was asked for every recipient";
    failures_.push_back(std::move(failure));
}

Task<Delivery::Next> Delivery::try_address(const dane::HostPlan& host, Endpoint endpoint) {
    // A pooled connection that had gone stale is no attempt (H107, SC-060), and BDAT refused says nothing of the
    // message: once more for each, over a new connection, under the same plan; and again for as long as a server that
    // ends each connection early answers for somebody.
    answered_here_.clear();
    auto reuse = Pool::Reuse::allowed;
    for (int fruitless = 0; fruitless < 3; reuse = Pool::Reuse::fresh_only) {
        co_await record_delivered(); // dialling may take minutes
        const auto open_before = pending_.size(), answered_before = answered_here_.size();
        Attempt attempt;
        attempt.host = &host;
        attempt.endpoint = endpoint;
        auto channel = co_await open(host, endpoint, attempt, reuse);
        if (!channel) {
            if (co_await cut_off()) co_return Next::done;
            const auto& failure = channel.error();
            auto told = host_failure(route_.plan.next_hop, host, failure);
            const auto& envelope = message_.envelope;
            const bool demanded = envelope.requiretls && !envelope.reverse_path.empty();
            if (demanded && !route_.plan.next_hop.configured)    // SC-092
                told = policy::with_requiretls(std::move(told)); // SC-126: a notice only wishes for it
            attempt.tls = failure.tls;
            attempt.reason = failure.reason;
            attempt.code = failure.code;
            attempt.enhanced =
                failure.enhanced.empty() ? status_of(failure.reason, Verdict::deferred, told.detail) : failure.enhanced;
            failures_.push_back(std::move(told));
            attempt.text = failure.text;
            note(std::move(attempt));
            co_return Next::address;
        }
        const auto next = co_await hand_over(std::move(*channel), host, std::move(attempt));
        if (next) co_return *next;
        if (pending_.size() == open_before && answered_here_.size() <= answered_before) ++fruitless;
    }
    not_all_asked(host);
    co_return Next::address;
}

} // namespace danelaw::delivery
