// From plan to record: hosts in order, addresses in order, every failure noted, nothing decided twice.
#include "delivery.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/delivery/tls_session.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <functional>

namespace danelaw::delivery {
namespace {

message::Outcome held_outcome(std::string why) {
    message::Outcome outcome;
    outcome.reason = Reason::policy_hold;
    outcome.enhanced = status_of(Reason::policy_hold, Verdict::deferred);
    outcome.text = std::move(why);
    return outcome;
}

bool no_more_than_a_wish(const message::Envelope& envelope) {
    return envelope.content.tls_required_no || envelope.origin == message::Origin::tls_report;
}

} // namespace

Delivery::Delivery(Agent::State& agent, Lanes::Start start)
    : agent_(agent), start_(std::move(start)), settings_(agent.parts.settings()), domain_(start_.job.domain) {}

Task<void> Delivery::run() {
    if (!co_await load() || !select_pending() || !co_await still_ours(Patience::until_known)) {
        co_await give_back();
        co_return;
    }
    if (start_.pause && must_try()) {
        insists = true;
        co_return;
    }
    co_await let_go_of_others();
    if (holds_back(agent_.holds, message_, domain_)) {
        (void)co_await hold(pending_, "held on arrival by the operator of this relay");
        co_return;
    }
    if (message_.envelope.content.received_count > limits::received_headers) { // SC-094
        fail_rest({Verdict::bounced, Reason::mail_loop, "too many Received headers: the message loops", "5.4.6"}, "");
    } else if (start_.pause) {
        const auto& why = *start_.pause;
        fail_rest({Verdict::deferred, why.reason, "not tried, the destination failed a moment ago: " + why.text,
                   status_of(why.reason, Verdict::deferred)},
                  why.host);
        start_.pause.reset();
    } else {
        co_await route_and_try();
        if (held_) co_return;
        learn_signal();
        if (abandoned_) {
            if (!outcomes_.empty()) co_await record();
            std::erase_if(start_.job.recipients, [this](auto number) { return outcomes_.contains(number); });
            co_await give_back();
            co_return;
        }
    }
    co_await record();
}

Task<void> Delivery::route_and_try() {
    const auto& envelope = message_.envelope;
    RouteOptions options;
    options.requiretls = envelope.requiretls && !envelope.reverse_path.empty();
    options.tls_required_no = envelope.content.tls_required_no && !envelope.requiretls; // SC-124
    options.tls_report = envelope.origin == message::Origin::tls_report;
    options.fresh = start_.job.attempts > 0; // a retry asks again (DANE-014)
    options.sts_again =
        schedule::expired(agent_.retry_rules(envelope), envelope.received_at, agent_.age_now()); // MS-046
    route_ = co_await agent_.parts.router.route(domain_, options);
    if (co_await cut_off()) co_return;
    if (route_.destination.hold) {
        auto kept = pending_;
        std::erase_if(kept, [this](auto number) { return was_released(*message_.recipient(number)); });
        if (!kept.empty() && (!co_await hold(kept, "held by a policy of this relay until an operator releases it") ||
                              pending_.empty())) {
            held_ = true;
            co_return;
        }
    }
    if (agent_.parts.on_tls_session && counts_for_reports(envelope))
        if (const auto session = sts_failure(route_)) agent_.parts.on_tls_session(*session);
    co_await try_hosts();
    if (refused_by_sts() && !options.sts_again) { // MS-046: never bounced by a policy that has changed meanwhile
        options.sts_again = true;
        co_await record_delivered(); // looking it up may take minutes
        auto again = co_await agent_.parts.router.route(domain_, options);
        if (again.sts.policy != route_.sts.policy) {
            route_ = std::move(again);
            failures_.clear();
            co_await try_hosts();
        }
    }
    if (co_await cut_off()) co_return;
    conclude_pending();
}

// Would the open recipients bounce, now that the hosts of an enforce policy were tried?
bool Delivery::refused_by_sts() const {
    const auto& hosts = route_.plan.hosts;
    const auto governed = [](const dane::HostPlan& host) { return host.sts == dane::HostPlan::Sts::enforce; };
    if (abandoned_ || std::ranges::none_of(hosts, governed)) return false;
    return std::ranges::any_of(pending_, [this](auto number) { return halt_for(number).verdict == Verdict::bounced; });
}

// What all hosts together mean for one recipient who is still open; a server's temporary word is one of the reasons.
dane::Halt Delivery::halt_for(std::uint32_t number) const {
    auto reasons = failures_;
    const auto answer = answers_.find(number);
    if (answer != answers_.end()) reasons.push_back(answer->second);
    return dane::conclude(reasons, route_.destination.rules);
}

bool Delivery::select_pending() {
    for (const auto& recipient : message_.recipients)
        if (recipient.state == message::RecipientState::queued) pending_.insert(recipient.number);
    return !pending_.empty();
}

// Who was held or closed between claim and load: a claim kept here would keep him from ever being claimed again.
Task<void> Delivery::let_go_of_others() {
    const auto open = [this](auto number) { return pending_.contains(number); };
    if (std::ranges::all_of(start_.job.recipients, open)) co_return;
    auto others = start_.job;
    std::erase_if(others.recipients, open);
    std::erase_if(start_.job.recipients, std::not_fn(open));
    std::vector<store::Job> jobs;
    jobs.push_back(std::move(others));
    (void)co_await agent_.parts.queue.release(std::move(jobs));
}

// A destination at rest is not asked for every message; but the last attempt before giving up is a real one (DQ-017),
// and a message with TLS rules of its own may get through where others don't.
bool Delivery::must_try() const {
    const auto& envelope = message_.envelope;
    return schedule::expired(agent_.retry_rules(envelope), envelope.received_at, agent_.age_now()) ||
           no_more_than_a_wish(envelope) || envelope.requiretls;
}

// Who is due again although a hold was the last that happened to him was released by an operator (DQ-019).
bool Delivery::was_released(const message::Recipient& recipient) {
    return recipient.last && (recipient.last->released || recipient.last->reason == Reason::policy_hold);
}

// False: it could not be written, and the job went back.
Task<bool> Delivery::hold(std::set<std::uint32_t> whom, std::string why) {
    store::Record record;
    record.id = message_.envelope.id;
    record.fence = start_.job.fence;
    for (const auto number : whom) {
        store::RecipientUpdate update;
        update.number = number;
        update.state = message::RecipientState::held;
        update.next_attempt = agent_.now();
        update.count_attempt = false;
        update.outcome = held_outcome(why);
        record.updates.push_back(std::move(update));
    }
    const auto updates = record.updates;
    auto recorded = co_await agent_.parts.queue.record(std::move(record));
    if (!recorded) {
        co_await give_back();
        co_return false;
    }
    announce(updates);
    for (const auto number : whom) {
        pending_.erase(number);
        std::erase(start_.job.recipients, number);
    }
    co_return true;
}

Task<void> Delivery::try_hosts() {
    const auto& plan = route_.plan;
    if (plan.halt) {
        Attempt attempt;
        attempt.mx = plan.mx;
        attempt.verdict = plan.halt->verdict;
        attempt.reason = plan.halt->reason;
        attempt.enhanced = plan.halt->enhanced;
        attempt.text = plan.halt->text;
        if (plan.hosts.empty()) note(std::move(attempt));
        tell(nullptr, policy::report_halted(plan), {});
        for (const auto& host : plan.hosts) note_skip(host);
        fail_rest(*plan.halt, plan.hosts.empty() ? "" : plan.hosts.front().shown());
        co_return;
    }
    for (const auto& host : plan.hosts) {
        if (pending_.empty()) break;
        if (host.requirement == dane::Requirement::skip)
            note_skip(host);
        else
            co_await try_host(host);
    }
}

// Who is still open when all hosts were tried: the gravest reason is told (D-32).
void Delivery::conclude_pending() {
    const auto rest = pending_;
    for (const auto number : rest) {
        const auto halt = halt_for(number);
        const auto word = temporary_.find(number);
        if (word != temporary_.end() && halt.verdict == Verdict::deferred && halt.reason == word->second.reason) {
            set_outcome(number, word->second);
            continue;
        }
        message::Outcome outcome;
        outcome.verdict = halt.verdict;
        outcome.reason = halt.reason;
        outcome.text = halt.text;
        outcome.enhanced = halt.enhanced;
        for (const auto& failure : failures_) {
            if (failure.reason != halt.reason) continue;
            outcome.host = failure.host.text();
            outcome.code = failure.code;
            break;
        }
        set_outcome(number, std::move(outcome));
    }
}

Task<void> Delivery::try_host(const dane::HostPlan& host) {
    std::vector<IpAddress> addresses, dead; // H86: what worked a moment ago goes first
    for (const auto& address : host.addresses)
        (agent_.pool.thought_dead({address, host.port}) ? dead : addresses).push_back(address);
    addresses.insert(addresses.end(), dead.begin(), dead.end());
    for (const auto& address : addresses) {
        if (address.is_link_local() && address.v6) { // no scope in DNS: can't be reached (H86)
            dane::HostFailure failure;
            failure.host = host.name;
            failure.reason = Reason::connect_failed;
            failure.text = address.text() + ": a link-local address can't be reached";
            failures_.push_back(std::move(failure));
            continue;
        }
        const auto next = co_await try_address(host, Endpoint{address, host.port});
        if (next != Next::address) co_return;
    }
}

void Delivery::note(Attempt attempt) {
    attempt.id = message_.envelope.id;
    attempt.domain = domain_;
    ++agent_.counters.attempts;
    auto fields = to_json(attempt);
    boost::json::object stored;
    stored["ts"] = rfc3339(agent_.parts.clock.now());
    for (const auto& field : fields) stored[field.key()] = field.value();
    trace_.push_back(boost::json::serialize(stored));
    agent_.parts.log.event(log::Level::info, "attempt", std::move(fields));
    if (is_tls_policy_failure(attempt.reason) || attempt.reason == Reason::dnssec_invalid)
        agent_.parts.log.event(log::Level::warn, "policy-failure",
                               {{"id", attempt.id},
                                {"domain", domain_},
                                {"host", attempt.host ? attempt.host->shown() : std::string()},
                                {"reason", word(attempt.reason)},
                                {"text", attempt.text}});
}

void Delivery::note_skip(const dane::HostPlan& host) {
    auto failure = dane::skipped(route_.plan, host);
    Attempt attempt;
    attempt.host = &host;
    attempt.reason = failure.reason;
    attempt.enhanced = status_of(failure.reason, Verdict::deferred, failure.detail);
    attempt.text = failure.text;
    note(std::move(attempt));
    tell(&host, policy::report_skipped(host), {});
    failures_.push_back(std::move(failure));
}

void Delivery::fail_rest(const dane::Halt& halt, const std::string& host) {
    const auto rest = pending_;
    for (const auto number : rest) {
        message::Outcome outcome;
        outcome.verdict = halt.verdict;
        outcome.reason = halt.reason;
        outcome.host = host;
        outcome.text = halt.text;
        outcome.enhanced = halt.enhanced.empty() ? status_of(halt.reason, halt.verdict) : halt.enhanced;
        set_outcome(number, std::move(outcome));
    }
}

void Delivery::set_outcome(std::uint32_t number, message::Outcome outcome) {
    outcomes_[number] = std::move(outcome);
    pending_.erase(number);
}

void Delivery::learn_signal() {
    if (answered_) {
        // Without the TLS rules of others it says nothing of their way.
        const auto served = no_more_than_a_wish(message_.envelope) ? schedule::Signal::neutral : schedule::Signal::good;
        signal = busy_ ? schedule::Signal::busy : served;
        return;
    }
    // No host could be used at all. What was a no to this message alone tells nothing about the destination.
    const bool of_message = std::ranges::any_of(failures_, is_about_message, &dane::HostFailure::reason);
    if (of_message || outcomes_.empty()) return;
    const auto& outcome = outcomes_.begin()->second;
    if (outcome.verdict != Verdict::deferred) return;
    signal = schedule::Signal::dead;
    pause.reason = outcome.reason;
    pause.text = outcome.text;
    pause.host = outcome.host;
}

// Why this message was here before, when its destination was to blame and not a server's word on the message itself.
Reason Delivery::waited_for() const {
    for (const auto& recipient : message_.recipients) {
        if (!recipient.last) continue;
        const auto reason = recipient.last->reason;
        const bool nobodys = reason == Reason::none || reason == Reason::smtp_reply || reason == Reason::mail_loop ||
                             reason == Reason::policy_hold;
        if (!nobodys && !is_about_message(reason)) return reason;
    }
    return Reason::none;
}

} // namespace danelaw::delivery
