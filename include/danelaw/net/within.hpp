// A deadline for an operation that has none of its own. Costs more to compile than the rest of net: include where
// needed.
#pragma once

#include "danelaw/net/wakeup.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>
#include <variant>

namespace danelaw::net {

namespace detail {
template <class T> Task<Result<T>> without_throw(Task<Result<T>> op) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_return co_await std::move(op);
}
inline Task<Result<void>> alarm(Deadline deadline) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_return co_await pause_until(deadline);
}
} // namespace detail

// At the deadline `op` is cancelled, and the answer is errc::timeout.
template <class T> Task<Result<T>> within(Deadline deadline, Task<Result<T>> op) {
    using namespace boost::asio::experimental::awaitable_operators;
    auto first = co_await (detail::without_throw<T>(std::move(op)) || detail::alarm(deadline));
    if (first.index() == 0) co_return std::move(std::get<0>(first));
    if (!std::get<1>(first)) co_return fail(Errc::cancelled, "cancelled");
    co_return fail(Errc::timeout, "timed out");
}

} // namespace danelaw::net
