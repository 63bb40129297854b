// From plan to record: hosts in order, addresses in order, every failure noted, nothing decided twice.
#include "delivery.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/message/to_seven_bit.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace danelaw::delivery {
namespace {

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
    if (message_.envelope.content.received_count > limits::received_headers) { // SC-094
        fail_rest({Verdict::bounced, Reason::mail_loop, "too many Received headers: the message loops", "5.4.6"}, "");
    } else if (start_.pause && !must_try()) {
        const auto& why = *start_.pause;
        fail_rest({Verdict::deferred, why.reason, "not tried, the destination failed a moment ago: " + why.text,
                   status_of(why.reason, Verdict::deferred)},
                  why.host);
        start_.pause.reset();
    } else {
        RouteOptions options;
        options.requiretls = message_.envelope.requiretls && !message_.envelope.reverse_path.empty();
        options.tls_required_no = message_.envelope.content.tls_required_no && !message_.envelope.requiretls; // SC-124
        options.tls_report = message_.envelope.origin == message::Origin::tls_report;
        options.fresh = start_.job.attempts > 0; // a retry asks again (DANE-014)
        const auto& envelope = message_.envelope;
        options.sts_again = schedule::expired(agent_.retry_rules(message_.envelope), envelope.received_at, agent_.age_now()); // MS-046
        auto route = co_await agent_.parts.router.route(domain_, options);
        rules_ = route.destination.rules;
        if (route.destination.hold) {
            co_await hold();
            co_return;
        }
        co_await try_hosts(route.plan);
        learn_signal();
        if (abandoned_) {
            if (!outcomes_.empty()) co_await record();
            co_await give_back();
            co_return;
        }
    }
    co_await record();
}

bool Delivery::select_pending() {
    for (const auto number : start_.job.recipients) {
        if (number >= message_.recipients.size()) continue;
        if (message_.recipients[number].state == message::RecipientState::queued) pending_.push_back(number);
    }
    return !pending_.empty();
}

// A destination at rest is not asked for every message; but the last attempt before giving up is a real one (DQ-017),
// and a message with TLS rules of its own may get through where others don't.
bool Delivery::must_try() const {
    const auto& envelope = message_.envelope;
    return schedule::expired(agent_.retry_rules(message_.envelope), envelope.received_at, agent_.age_now()) ||
           no_more_than_a_wish(envelope) || envelope.requiretls;
}

Task<void> Delivery::hold() {
    store::Record record;
    record.id = message_.envelope.id;
    record.fence = start_.job.fence;
    for (const auto number : pending_) {
        store::RecipientUpdate update;
        update.number = number;
        update.state = message::RecipientState::held;
        update.next_attempt = agent_.now();
        update.count_attempt = false;
        message::Outcome outcome;
        outcome.reason = Reason::policy_hold;
        outcome.enhanced = status_of(Reason::policy_hold, Verdict::deferred);
        outcome.text = "held by a policy of this relay until an operator releases it";
        update.outcome = std::move(outcome);
        record.updates.push_back(std::move(update));
    }
    const auto updates = record.updates;
    auto recorded = co_await agent_.parts.queue.record(std::move(record));
    if (recorded) {
        announce(updates, false);
    } else {
        co_await give_back();
    }
}

Task<void> Delivery::try_hosts(dane::Plan& plan) {
    if (plan.halt) {
        Attempt attempt;
        attempt.mx = plan.mx;
        attempt.verdict = plan.halt->verdict;
        attempt.reason = plan.halt->reason;
        attempt.enhanced = plan.halt->enhanced;
        attempt.text = plan.halt->text;
        if (plan.hosts.empty()) note(std::move(attempt));
        for (const auto& host : plan.hosts) note_skip(host, dane::skipped(plan, host));
        fail_rest(*plan.halt, plan.hosts.empty() ? "" : plan.hosts.front().shown());
        co_return;
    }
    for (const auto& host : plan.hosts) {
        if (pending_.empty()) break;
        if (host.requirement == dane::Requirement::skip)
            note_skip(host, dane::skipped(plan, host));
        else
            co_await try_host(host);
    }
    if (pending_.empty()) co_return;
    // The rest: a server's temporary word counts as one of the reasons, the gravest is told (D-32).
    const auto rest = pending_;
    for (const auto number : rest) {
        auto reasons = failures_;
        const auto answer = answers_.find(number);
        if (answer != answers_.end()) reasons.push_back(answer->second);
        const auto halt = dane::conclude(reasons, rules_);
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

Task<std::expected<Channel, ChannelFailure>> Delivery::open(const dane::HostPlan& host, Endpoint endpoint,
                                                            Attempt& attempt, Pool::Reuse reuse) {
    auto rules = agent_.channel_rules();
    auto channel = co_await agent_.pool.take(host, endpoint, rules, reuse);
    if (channel) {
        attempt.reused = channel->messages > 0;
        co_return channel;
    }
    const auto& failure = channel.error();
    const bool broken_tls =
        failure.stage == ChannelFailure::Stage::handshake || failure.stage == ChannelFailure::Stage::ehlo_after_tls;
    // DANE-125, D-30: opportunistic TLS that breaks may give way to clear text, but not on the first attempt.
    if (!broken_tls || !host.clear_after_failed_tls || start_.job.attempts == 0 || message_.envelope.requiretls)
        co_return channel;
    Attempt first = attempt;
    first.tls = failure.tls;
    first.reason = failure.reason;
    first.text = failure.text + "; trying again in clear text, which the policy allows";
    first.enhanced = status_of(first.reason, Verdict::deferred);
    note(std::move(first));
    attempt.began = std::chrono::steady_clock::now();
    rules.clear_instead_of_tls = true;
    co_return co_await agent_.pool.take(host, endpoint, rules, reuse);
}

Task<Delivery::Next> Delivery::try_address(const dane::HostPlan& host, Endpoint endpoint) {
    for (const auto reuse : {Pool::Reuse::allowed, Pool::Reuse::fresh_only}) {
        Attempt attempt;
        attempt.host = &host;
        attempt.endpoint = endpoint;
        auto channel = co_await open(host, endpoint, attempt, reuse);
        if (!channel) {
            auto& failure = channel.error();
            dane::HostFailure host_failure;
            host_failure.host = host.name;
            host_failure.reason = failure.reason;
            host_failure.text = failure.text;
            host_failure.permanent = failure.permanent;
            host_failure.code = failure.code;
            host_failure.enhanced = failure.enhanced;
            host_failure.demand = host.requirement == dane::Requirement::may ? dane::HostFailure::Demand::opportunistic
                                                                             : dane::HostFailure::Demand::policy;
            failures_.push_back(std::move(host_failure));
            attempt.tls = failure.tls;
            attempt.reason = failure.reason;
            attempt.code = failure.code;
            attempt.enhanced =
                failure.enhanced.empty() ? status_of(failure.reason, Verdict::deferred) : failure.enhanced;
            attempt.text = failure.text;
            note(std::move(attempt));
            co_return Next::address;
        }
        const auto next = co_await hand_over(std::move(*channel), host, std::move(attempt));
        if (next) co_return *next;
        // a pooled connection had gone stale: once more over a new one, free of charge (H107, SC-060)
    }
    co_return Next::address;
}

std::vector<const message::Recipient*> Delivery::next_batch(const Channel& channel) const {
    std::size_t most = limits::recipients_per_transaction;
    if (channel.offered.limit_rcptmax && *channel.offered.limit_rcptmax > 0)
        most = std::min<std::size_t>(most, *channel.offered.limit_rcptmax);
    std::vector<const message::Recipient*> out;
    for (const auto number : pending_) {
        if (temporary_.contains(number) && answered_here_.contains(number)) continue;
        if (out.size() < most) out.push_back(&message_.recipients[number]);
    }
    return out;
}

// All pending recipients over one channel, batch by batch. nullopt: the channel was stale, nothing was said.
Task<std::optional<Delivery::Next>> Delivery::hand_over(Channel channel, const dane::HostPlan& host, Attempt attempt) {
    answered_here_.clear();
    attempt.tls = channel.tls;
    attempt.level = channel.level;
    for (;;) {
        const auto batch = next_batch(channel);
        if (batch.empty()) break;
        auto needs = needs_of(message_.envelope, batch);
        if (auto unfit = cannot_take(channel, needs)) {
            attempt.reason = unfit->reason;
            attempt.text = unfit->text;
            attempt.enhanced = status_of(unfit->reason, Verdict::deferred, unfit->detail);
            failures_.push_back(std::move(*unfit));
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return Next::host;
        }
        auto content = co_await content_for(needs, channel);
        if (!content) {
            dane::HostFailure unfit;
            unfit.host = host.name;
            unfit.reason = Reason::eight_bit_mime_unsupported;
            unfit.text =
                "the host does not take 8-bit mail, and this message can't be converted: " + content.error().detail;
            unfit.permanent = true;
            attempt.reason = unfit.reason;
            attempt.text = unfit.text;
            attempt.enhanced = status_of(unfit.reason, Verdict::deferred);
            failures_.push_back(std::move(unfit));
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return Next::host;
        }
        if (!co_await still_ours(Patience::none)) {
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            pending_.clear();
            co_return Next::done;
        }
        const TransactionRules limits{settings_->delivery.command_timeout, settings_->delivery.data_timeout};
        auto result = co_await transact(channel, message_.envelope, batch, needs, **content, limits);
        if (result.stale_channel) {
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return std::nullopt;
        }
        answered_ = true;
        take_results(result, channel, host, attempt);
        if (!result.channel_usable) {
            const bool left = !next_batch(channel).empty() || unanswered_;
            const auto mood = result.busy ? Pool::Mood::busy : Pool::Mood::good;
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), mood);
            co_return pending_.empty() ? Next::done : left ? Next::address : Next::host;
        }
    }
    note(std::move(attempt));
    agent_.pool.give_back(std::move(channel), busy_ ? Pool::Mood::busy : Pool::Mood::good);
    co_return pending_.empty() ? Next::done : Next::host;
}

// A definite no of this server to this message: another host may have what it lacks (SC-071, SC-077, SC-120).
std::optional<dane::HostFailure> Delivery::cannot_take(const Channel& channel, const Needs& needs) const {
    const auto& offered = channel.offered;
    dane::HostFailure out;
    out.host = channel.host().name;
    out.permanent = true;
    const bool authenticated = channel.level == Level::dane_ee || channel.level == Level::dane_ta ||
                               channel.level == Level::mta_sts || channel.level == Level::pkix;
    if (needs.requiretls) {
        out.reason = Reason::requiretls_unsupported;
        if (!channel.host().known_securely || !authenticated) {
            out.detail = "7.10";
            out.text = "the message demands REQUIRETLS, and this host is not known securely or not authenticated";
            return out;
        }
        if (!offered.requiretls) {
            out.text = "the message demands REQUIRETLS, which the host does not offer";
            return out;
        }
    }
    if (needs.smtputf8 && !offered.smtputf8) {
        out.reason = Reason::smtputf8_unsupported;
        out.text = "the message needs SMTPUTF8 (addresses or header in UTF-8), which the host does not offer";
        return out;
    }
    if (offered.size > 0 && needs.size > offered.size) {
        out.reason = Reason::message_too_large;
        out.text = fmt::format("the message has {} octets, the host takes at most {}", needs.size, offered.size);
        return out;
    }
    return std::nullopt;
}

// The content as this server can take it; errc::parse when it can't be converted (SC-073, SC-076).
Task<Result<std::unique_ptr<Content>>> Delivery::content_for(Needs& needs, const Channel& channel) {
    using smtp::Body;
    auto& queue = agent_.parts.queue;
    const auto& id = message_.envelope.id;
    const bool fits =
        needs.body == Body::seven_bit || (needs.body == Body::eight_bit_mime && channel.offered.eight_bit_mime);
    if (fits) co_return std::make_unique<StoredContent>(queue, id);
    if (message_.envelope.content.signed_content)
        co_return fail(Errc::parse, "it is signed, and converting it would break the signature");
    constexpr Bytes most = 64ull << 20;
    if (message_.envelope.content.size > most) co_return fail(Errc::limit, "it is too large to be converted");
    std::string whole;
    for (std::uint32_t sequence = 0;; ++sequence) {
        auto piece = co_await queue.read(id, sequence);
        if (!piece) co_return fail(piece.error());
        if (piece->empty()) break;
        whole += *piece;
    }
    auto converted = message::to_seven_bit(whole);
    if (!converted) co_return fail(converted.error());
    needs.body = Body::seven_bit;
    needs.size = converted->size();
    co_return std::make_unique<TextContent>(std::move(*converted));
}

void Delivery::take_results(const TransactionResult& result, const Channel& channel, const dane::HostPlan& host,
                            Attempt& attempt) {
    attempt.possible_duplicate = attempt.possible_duplicate || result.possible_duplicate;
    busy_ = busy_ || result.busy;
    unanswered_ = false;
    if (result.possible_duplicate) ++agent_.counters.possible_duplicates;
    for (const auto& one : result.recipients) {
        message::Outcome outcome;
        outcome.verdict = one.verdict;
        outcome.reason = one.reason;
        outcome.host = host.shown();
        outcome.tls_level = channel.level;
        outcome.code = one.code;
        outcome.enhanced = one.enhanced;
        outcome.text = one.text;
        outcome.dsn_passed_on = one.verdict == Verdict::delivered && channel.offered.dsn;
        switch (one.verdict) {
        case Verdict::delivered: ++attempt.delivered; break;
        case Verdict::deferred: ++attempt.deferred; break;
        case Verdict::bounced:
        case Verdict::expired: ++attempt.bounced; break;
        }
        // 5yz of a relay that the operator configured, to all of its own: its set-up, not the message, may be at fault
        // (SC-092)
        const bool worse = attempt.text.empty() || attempt.verdict == Verdict::delivered;
        if (worse || one.verdict == Verdict::bounced) {
            attempt.verdict = one.verdict;
            attempt.reason = one.reason;
            attempt.code = one.code;
            attempt.enhanced = one.enhanced;
            attempt.text = one.text;
        }
        answered_here_.insert(one.number);
        if (one.verdict == Verdict::deferred && one.next_host_may_try) {
            dane::HostFailure answer;
            answer.host = host.name;
            answer.reason = one.reason;
            answer.text = one.text;
            answers_[one.number] = std::move(answer);
            temporary_[one.number] = std::move(outcome);
            if (one.code == 0) unanswered_ = true;
        } else {
            unsecured_dane_ = !host.secured && (channel.level == Level::dane_ee || channel.level == Level::dane_ta);
            set_outcome(one.number, std::move(outcome));
        }
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
    const auto level = is_tls_policy_failure(attempt.reason) || attempt.reason == Reason::dnssec_invalid
                           ? log::Level::warn
                           : log::Level::info;
    agent_.parts.log.event(level, "attempt", std::move(fields));
}

void Delivery::note_skip(const dane::HostPlan& host, const dane::HostFailure& failure) {
    Attempt attempt;
    attempt.host = &host;
    attempt.reason = failure.reason;
    attempt.enhanced = status_of(failure.reason, Verdict::deferred, failure.detail);
    attempt.text = failure.text;
    note(std::move(attempt));
    failures_.push_back(failure);
}

void Delivery::fail_rest(const dane::Halt& halt, std::string host) {
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
    std::erase(pending_, number);
}

void Delivery::learn_signal() {
    if (answered_) {
        signal = busy_ ? schedule::Signal::busy : schedule::Signal::good;
        return;
    }
    // No host could be used at all. What was a no to this message alone tells nothing about the destination.
    const bool of_message = std::any_of(failures_.begin(), failures_.end(), [](const auto& f) {
        return f.reason == Reason::smtputf8_unsupported || f.reason == Reason::message_too_large ||
               f.reason == Reason::eight_bit_mime_unsupported || f.reason == Reason::requiretls_unsupported;
    });
    if (of_message || outcomes_.empty()) return;
    const auto& outcome = outcomes_.begin()->second;
    if (outcome.verdict != Verdict::deferred) return;
    signal = schedule::Signal::dead;
    pause.reason = outcome.reason;
    pause.text = outcome.text;
    pause.host = outcome.host;
}

} // namespace danelaw::delivery
