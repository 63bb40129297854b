// A job on the pool, its end on the caller's executor.
#include "danelaw/net/worker.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace danelaw::net {

namespace asio = boost::asio;

Task<void> WorkerPool::run_job(std::function<void()> job) {
    auto start = [this, &job](auto handler) {
        auto home = asio::get_associated_executor(handler);
        auto work = asio::make_work_guard(home);
        auto there = [fn = std::move(job), done = std::move(handler), guard = std::move(work)]() mutable {
            fn();
            asio::post(guard.get_executor(), std::move(done));
            guard.reset();
        };
        asio::post(pool_, std::move(there));
    };
    co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(std::move(start), asio::use_awaitable);
}

} // namespace danelaw::net
