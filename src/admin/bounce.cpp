// What does an operator's `queue bounce` do? The same as a failed delivery: recipients' states and the report to the
// sender become stable in one step (DQ-004).
#include "queue_api.hpp"

#include <algorithm>
#include <optional>

namespace danelaw::admin {
namespace {

bool chosen(const message::Recipient& r, const store::Filter& filter) {
    const bool open = r.state == message::RecipientState::queued || r.state == message::RecipientState::held;
    return open && store::concerns(filter, r);
}

std::vector<store::RecipientUpdate> updates_for(const store::Message& message, const store::Filter& filter,
                                                const BounceWords& words) {
    message::Outcome outcome;
    outcome.verdict = Verdict::bounced;
    outcome.enhanced = words.status;
    outcome.text = words.text;
    std::vector<store::RecipientUpdate> updates;
    for (const message::Recipient& r : message.recipients) {
        if (!chosen(r, filter)) continue;
        store::RecipientUpdate u;
        u.number = r.number;
        u.state = message::RecipientState::bounced;
        u.count_attempt = false;
        u.outcome = outcome;
        updates.push_back(std::move(u));
    }
    return updates;
}

void log_bounced(Context& context, const store::Message& message, const std::vector<store::RecipientUpdate>& updates) {
    for (const store::RecipientUpdate& u : updates) {
        const auto r = std::ranges::find(message.recipients, u.number, &message::Recipient::number);
        if (r == message.recipients.end() || !u.outcome) continue;
        context.log.event(log::Level::info, "recipient",
                          {{"id", message.envelope.id},
                           {"recipient", r->address},
                           {"result", word(Verdict::bounced)},
                           {"reason", nullptr},
                           {"host", nullptr},
                           {"tls_level", word(Level::none)},
                           {"code", nullptr},
                           {"enhanced", u.outcome->enhanced},
                           {"text", u.outcome->text},
                           {"next_attempt", nullptr}});
    }
}

Task<Result<void>> bounce_one(Context& context, std::string id, store::Numbers who, const store::Filter& filter,
                              const BounceWords& words) {
    auto message = co_await context.queue.load(id, std::move(who));
    if (!message) co_return fail(message.error());
    store::Record record;
    record.id = id;
    record.updates = updates_for(*message, filter, words);
    if (record.updates.empty()) co_return Result<void>{};
    report::Notices notices;
    if (const auto maker = context.notices ? context.notices() : nullptr) {
        const Time now = context.clock.now();
        notices = co_await maker->make(*message, record.updates, now, now - message->envelope.received_at);
    }
    record.notices = notices.messages;
    const std::vector<store::RecipientUpdate> updates = record.updates;
    auto recorded = co_await context.queue.record(std::move(record));
    if (!recorded) co_return fail(recorded.error());
    log_bounced(context, *message, updates);
    report::announce(context.log, *message, notices);
    if (recorded->removed) context.log.event(log::Level::info, "removed", {{"id", id}});
    co_return Result<void>{};
}

} // namespace

// One that can't be bounced now keeps none of the others from it, and is tried again like any mail: what was claimed
// for us goes back.
Task<Result<store::Queue::Acted>> bounce(Context& context, store::Filter filter, BounceWords words) {
    store::Queue::Acted total;
    std::optional<Error> trouble;
    for (bool more = true; more && !trouble;) {
        auto acted = co_await context.queue.act(store::Queue::Action::bounce, filter, context.clock.now());
        if (!acted) co_return fail(acted.error());
        more = acted->more && !acted->ids.empty();
        total.messages += acted->messages;
        total.recipients += acted->recipients;
        total.missing = acted->missing;
        for (std::size_t i = 0; i < acted->ids.size(); ++i) {
            auto done = co_await bounce_one(context, acted->ids[i], std::move(acted->concerned.at(i)), filter, words);
            // Delivered or deleted meanwhile: nothing left to bounce.
            if (!done && done.error().code != Errc::stale && done.error().code != Errc::not_found)
                trouble = done.error();
        }
        if (!trouble) continue;
        // What was recorded is nobody's any more, and giving it back does nothing.
        (void)co_await context.queue.release(std::move(acted->claimed));
        if (context.holds_changed) context.holds_changed(); // the agent looks into the store again
    }
    if (trouble) co_return fail(*trouble);
    co_return total;
}

} // namespace danelaw::admin
