// Is the job still this relay's? Asked before anything is said to a server, since on a shared queue another relay may
// have taken it meanwhile (DQ-006, H135); and a job that could not be carried out goes back, never into oblivion.
#include "delivery.hpp"

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>

namespace danelaw::delivery {
namespace {

bool gone(const Error& error) {
    return error.code == Errc::not_found || error.code == Errc::damaged || error.code == Errc::stale;
}

} // namespace

// A store that can't be read just now is asked again: the job is claimed, and nobody else would come for it.
Task<bool> Delivery::load() {
    for (auto wait = first_pause;; wait = std::min(wait * 2, longest_pause)) {
        auto loaded = co_await agent_.parts.queue.load(start_.job.id, start_.job.recipients);
        if (loaded) {
            message_ = std::move(*loaded);
            co_return true;
        }
        if (loaded.error().code != Errc::not_found)
            agent_.parts.log.event(log::Level::error, "store",
                                   {{"id", start_.job.id}, {"text", loaded.error().detail}});
        if (gone(loaded.error()) || agent_.stopping) co_return false;
        if (!co_await net::pause_until(net::deadline_after(wait))) co_return false;
    }
}

Task<bool> Delivery::still_ours(Patience patience) {
    for (auto wait = first_pause;; wait = std::min(wait * 2, longest_pause)) {
        auto kept = co_await agent_.parts.queue.renew({start_.job});
        if (kept) co_return true;
        if (gone(kept.error()))
            agent_.parts.log.event(log::Level::warn, "store",
                                   {{"id", start_.job.id}, {"text", "left to another relay: " + kept.error().detail}});
        if (gone(kept.error()) || patience == Patience::none || agent_.stopping) break;
        if (!co_await net::pause_until(net::deadline_after(wait))) break;
    }
    abandoned_ = true;
    co_return false;
}

// The relay stops, and what was under way was ended by that: it is no attempt, and goes back as it was (DQ-013,
// DQ-017).
Task<bool> Delivery::cut_off() {
    const auto state = co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() == boost::asio::cancellation_type::none) co_return false;
    abandoned_ = true;
    pending_.clear();
    co_return true;
}

Task<void> Delivery::give_back() {
    (void)co_await agent_.parts.queue.release({start_.job}); // a store that is away gives it back when it returns
}

} // namespace danelaw::delivery
