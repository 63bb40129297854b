// What would a queue action touch? The same filter over the same list, page by page; nothing is changed.
#include "queue_api.hpp"

#include <algorithm>

namespace danelaw::admin {
namespace {

constexpr std::size_t page = 500;
using Action = store::Queue::Action;

bool touches(Action action, const message::Recipient& r) {
    const bool queued = r.state == message::RecipientState::queued;
    const bool held = r.state == message::RecipientState::held;
    switch (action) {
    case Action::flush:
    case Action::hold: return queued;
    case Action::release:
    case Action::remove:
    case Action::bounce: return queued || held;
    }
    return false;
}

} // namespace

Task<Result<store::Queue::Acted>> preview(Context& context, Action action, store::Filter filter) {
    store::Queue::Acted total;
    const bool all_open = action != Action::flush && action != Action::hold;
    if (filter.all && store::names_nothing(filter) && all_open &&
        context.queue.damaged().empty()) { // known without looking at a million
        const auto counts = co_await context.queue.counts();
        if (!counts) co_return fail(counts.error());
        total.messages = counts->messages;
        total.recipients = counts->recipients;
        co_return total;
    }
    total.missing = filter.ids;
    std::string after;
    for (bool more = true; more;) {
        auto found = co_await context.queue.list(filter, page, after);
        if (!found) co_return fail(found.error());
        for (const store::Message& m : *found) {
            std::erase(total.missing, m.envelope.id);
            const auto count = std::ranges::count_if(m.recipients, [&](const message::Recipient& r) {
                return touches(action, r) && store::concerns(filter, r);
            });
            total.messages += count > 0 ? 1 : 0;
            total.recipients += static_cast<std::uint64_t>(count);
            after = m.envelope.id;
        }
        more = found->size() == page;
    }
    co_return total;
}

} // namespace danelaw::admin
