// Makes an attempt's outcome stable, with its notices, and only then tells of it (DQ-004, DQ-005, DQ-063).
#include "delivery.hpp"

#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <utility>

namespace danelaw::delivery {
namespace {

constexpr std::size_t most_recording = 100; // outcomes being written whose lanes went on

} // namespace

store::RecipientUpdate Delivery::update_for(const message::Recipient& recipient, message::Outcome outcome) {
    using message::RecipientState;
    store::RecipientUpdate out;
    out.number = recipient.number;
    outcome.released = was_released(recipient);
    switch (outcome.verdict) {
    case Verdict::delivered: out.state = RecipientState::delivered; break;
    case Verdict::bounced: out.state = RecipientState::bounced; break;
    case Verdict::expired: out.state = RecipientState::expired; break;
    case Verdict::deferred: {
        const auto rules = agent_.retry_rules(message_.envelope);
        if (schedule::expired(rules, message_.envelope.received_at, agent_.age_now())) { // DQ-017, D-36
            out.state = RecipientState::expired;
            outcome.verdict = Verdict::expired;
            outcome.enhanced = "4.4.7";
            outcome.text =
                fmt::format("not delivered within {}; last: {}", duration_text(rules.lifetime), outcome.text);
            break;
        }
        out.state = RecipientState::queued;
        out.next_attempt = schedule::next_attempt(rules, recipient.attempts + 1, agent_.now(), agent_.rng);
        break;
    }
    }
    out.outcome = std::move(outcome);
    return out;
}

void Delivery::leave_lane() {
    if (std::exchange(left_lane_, true)) return;
    const auto over =
        agent_.lanes.finished(start_.lane, signal, Agent::State::lane_now(), std::move(pause), waited_for());
    for (const Reason reason : over) agent_.tasks.spawn("recovery", agent_.release_waiting(start_.lane, reason));
    agent_.wakeup.notify();
}

// An attempt's outcomes with the notices that they call for.
Task<std::pair<store::Record, NoticeSet>> Delivery::composed(std::vector<store::RecipientUpdate> updates) {
    store::Record entry;
    entry.id = message_.envelope.id;
    entry.fence = start_.job.fence;
    entry.attempts = trace_;
    entry.updates = std::move(updates);
    const Millis age = agent_.age_now() - message_.envelope.received_at;
    auto notices = co_await agent_.parts.reporter.notices(message_, entry.updates, agent_.now(), age);
    entry.notices = std::move(notices.messages);
    co_return std::pair(std::move(entry), std::move(notices));
}

// Once it is stable.
void Delivery::tell_recorded(const std::vector<store::RecipientUpdate>& updates, const NoticeSet& notices,
                             const store::Recorded& recorded) {
    announce(updates);
    if (notices.announce) notices.announce();
    if (recorded.removed) agent_.parts.log.event(log::Level::info, "removed", {{"id", message_.envelope.id}});
}

Task<void> Delivery::record() {
    // A store that can't keep up keeps the lanes waiting: what a crash would deliver twice stays bounded (DQ-005).
    if (agent_.tasks.size() < agent_.lanes.active() + most_recording) leave_lane();
    std::vector<store::RecipientUpdate> decided;
    for (auto& [number, outcome] : outcomes_)
        if (const auto* recipient = message_.recipient(number))
            decided.push_back(update_for(*recipient, std::move(outcome)));
    auto [entry, notices] = co_await composed(std::move(decided));
    const auto updates = entry.updates;

    const auto recorded = co_await write(std::move(entry));
    if (!recorded) co_return;
    recorded_ = true;
    for (const auto& update : updates)
        if (update.state == message::RecipientState::queued && update.next_attempt < agent_.next_claim) {
            agent_.next_claim = update.next_attempt;
            agent_.wakeup.notify();
        }
    tell_recorded(updates, notices, *recorded);
}

// A result that can't be written is written later: the message must not go out again meanwhile (H127). nullopt: it is
// another's by now, or the relay stops.
Task<std::optional<store::Recorded>> Delivery::write(store::Record entry) {
    for (auto wait = first_pause;; wait = std::min(wait * 2, longest_pause)) {
        auto recorded = co_await agent_.parts.queue.record(entry);
        if (recorded) co_return *recorded;
        const auto& error = recorded.error();
        if (error.code == Errc::stale || error.code == Errc::not_found) {
            agent_.parts.log.event(log::Level::warn, "store",
                                   {{"id", entry.id}, {"text", "outcome came too late: " + error.detail}});
            co_return std::nullopt;
        }
        ++agent_.counters.record_failures;
        agent_.parts.log.event(log::Level::error, "store",
                               {{"id", entry.id}, {"text", "an outcome can't be recorded yet: " + error.detail}});
        if (!co_await net::pause_until(net::deadline_after(wait))) co_return std::nullopt;
    }
}

// Before another address is asked, which may take minutes: who has the message already must not get it again should we
// die meanwhile (DQ-005). Failures wait for the end, one notice for all (DQ-025).
Task<void> Delivery::record_delivered() {
    std::vector<store::RecipientUpdate> delivered;
    for (const auto& [number, outcome] : outcomes_)
        if (const auto* recipient = message_.recipient(number); recipient && outcome.verdict == Verdict::delivered)
            delivered.push_back(update_for(*recipient, outcome));
    if (delivered.empty()) co_return;
    auto [entry, notices] = co_await composed(std::move(delivered));
    const auto updates = entry.updates;
    const auto recorded = co_await agent_.parts.queue.record(std::move(entry));
    if (!recorded) co_return; // with the others, at the end
    tell_recorded(updates, notices, *recorded);
    trace_.clear();
    for (const auto& update : updates) {
        outcomes_.erase(update.number);
        std::erase(start_.job.recipients, update.number);
    }
}

// Whatever went wrong may have been on the way to a notice: who was refused is tried again too, so that the sender
// hears of it.
Task<void> Delivery::after_bug(std::string what) {
    const auto& job = start_.job;
    agent_.parts.log.event(log::Level::error, "bug", {{"task", "delivery"}, {"id", job.id}, {"text", what}});
    if (recorded_) co_return;
    const auto settings = agent_.parts.settings();
    const schedule::RetryRules rules{settings->queue.retry, settings->queue.lifetime};
    store::Record entry;
    entry.id = job.id;
    entry.fence = job.fence;
    entry.attempts = trace_;
    for (const auto number : job.recipients) {
        store::RecipientUpdate update;
        update.number = number;
        const auto decided = outcomes_.find(number);
        if (decided != outcomes_.end() && decided->second.verdict == Verdict::delivered) {
            update.state = message::RecipientState::delivered;
            update.outcome = std::move(decided->second);
        } else {
            update.next_attempt = schedule::next_attempt(rules, job.attempts + 1, agent_.now(), agent_.rng);
            agent_.next_claim = std::min(agent_.next_claim, update.next_attempt);
            update.outcome.emplace();
            update.outcome->enhanced = "4.3.0";
            if (const auto* recipient = message_.recipient(number)) update.outcome->released = was_released(*recipient);
            update.outcome->text = "an error of this relay: " + printable(what, 200);
        }
        entry.updates.push_back(std::move(update));
    }
    co_await write(std::move(entry)); // not given back should that fail: it may have been delivered
    agent_.wakeup.notify();
}

void Delivery::announce(const std::vector<store::RecipientUpdate>& updates) {
    for (const auto& update : updates) {
        agent_.count(update, unsecured_dane_.contains(update.number));
        const auto& outcome = *update.outcome;
        boost::json::object fields;
        fields["id"] = message_.envelope.id;
        if (const auto* recipient = message_.recipient(update.number)) fields["recipient"] = recipient->address;
        fields["result"] = word(outcome.verdict);
        fields["reason"] = word(outcome.reason);
        fields["host"] = outcome.host;
        fields["tls_level"] = word(outcome.tls_level);
        if (outcome.code != 0) fields["code"] = outcome.code;
        fields["enhanced"] = outcome.enhanced;
        fields["text"] = printable(outcome.text, 500);
        if (unsecured_dane_.contains(update.number)) fields["secured"] = false; // D-29
        if (update.state == message::RecipientState::queued) fields["next_attempt"] = rfc3339(update.next_attempt);
        agent_.parts.log.event(log::Level::info, "recipient", std::move(fields));
    }
}

} // namespace danelaw::delivery
