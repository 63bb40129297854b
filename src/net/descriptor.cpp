// Waiting for a socket until a deadline.
#include "descriptor_priv.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

namespace danelaw::net {

namespace asio = boost::asio;

void Watch::begin(Deadline limit) {
    passed_ = false;
    limit_ = limit;
    if (limit_ < armed_) arm(limit_);
}

bool Watch::end() {
    limit_ = Deadline::max();
    return passed_;
}

void Watch::forget() {
    target_ = nullptr;
    timer_.cancel();
}

void Watch::arm(Deadline when) {
    armed_ = when;
    timer_.expires_at(when);
    timer_.async_wait([self = weak_from_this()](boost::system::error_code ec) {
        if (ec) return; // set anew, or the target has gone
        if (const auto watch = self.lock()) watch->fired();
    });
}

void Watch::fired() {
    armed_ = Deadline::max();
    if (target_ == nullptr || limit_ == Deadline::max()) return; // nobody waits now
    if (limit_ > std::chrono::steady_clock::now()) return arm(limit_);
    passed_ = true;
    boost::system::error_code ignored;
    target_->cancel(ignored);
}

Descriptor::Descriptor(const asio::any_io_executor& executor, int fd)
    : descriptor_(executor, fd), watch_(std::make_shared<Watch>(executor, descriptor_)) {
    boost::system::error_code ignored;
    descriptor_.native_non_blocking(true, ignored);
}

Descriptor::~Descriptor() {
    watch_->forget();
    close();
}

void Descriptor::close() {
    boost::system::error_code ignored;
    descriptor_.close(ignored);
}

Task<Result<void>> Descriptor::wait(Until until, Deadline deadline) {
    if (!descriptor_.is_open()) co_return fail(Errc::cancelled, "closed");
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return fail(Errc::cancelled, "cancelled");
    if (std::chrono::steady_clock::now() >= deadline) co_return fail(Errc::timeout, "timed out");

    const auto kind =
        until == Until::readable ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write;
    watch_->begin(deadline);
    const auto [ec] = co_await descriptor_.async_wait(kind, asio::as_tuple(asio::use_awaitable));
    const bool passed = watch_->end();
    if (!ec) co_return Result<void>();
    if (ec == asio::error::operation_aborted) {
        if (passed) co_return fail(Errc::timeout, "timed out");
        co_return fail(Errc::cancelled, "cancelled");
    }
    co_return fail(Errc::io, system_text("wait", ec.value()));
}

std::string system_text(std::string_view what, int error) {
    return std::string(what) + ": " + std::system_category().message(error);
}

} // namespace danelaw::net
