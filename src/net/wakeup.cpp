// A kept notice and the coroutine that waits for it. The timer carries the deadline and ends the wait; what is true is
// the flag alone.
#include "danelaw/net/wakeup.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace danelaw::net {

namespace asio = boost::asio;

struct Wakeup::State {
    explicit State(const asio::any_io_executor& at) : executor(at), timer(at) {}
    asio::any_io_executor executor;
    asio::steady_timer timer;
    bool noticed = false;
    bool waiting = false;
};

Wakeup::Wakeup(asio::any_io_executor executor) : state_(std::make_shared<State>(executor)) {}

Wakeup::~Wakeup() = default;

void Wakeup::notify() {
    asio::dispatch(state_->executor, [state = state_] {
        state->noticed = true;
        if (state->waiting) state->timer.cancel();
    });
}

Task<Wakeup::Woken> Wakeup::wait(Deadline deadline) {
    const auto state = state_;
    DANELAW_CHECK(!state->waiting);
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (!state->noticed && cancellation.cancelled() != asio::cancellation_type::none) co_return Woken::cancelled;
    boost::system::error_code ec;
    if (!state->noticed) {
        state->timer.expires_at(deadline);
        state->waiting = true;
        std::tie(ec) = co_await state->timer.async_wait(asio::as_tuple(asio::use_awaitable));
        state->waiting = false;
    }
    if (state->noticed) {
        state->noticed = false;
        co_return Woken::notified;
    }
    co_return ec ? Woken::cancelled : Woken::timed_out;
}

Task<Result<void>> pause_until(Deadline deadline) {
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) co_return fail(Errc::cancelled, "cancelled");
    asio::steady_timer timer(co_await asio::this_coro::executor, deadline);
    const auto [ec] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (ec) co_return fail(Errc::cancelled, "cancelled");
    co_return Result<void>();
}

} // namespace danelaw::net
