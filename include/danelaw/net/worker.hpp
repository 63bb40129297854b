// Work that blocks or takes long (crypt, signing, files) on a few threads of its own, so that the io thread never
// waits. The caller's coroutine goes on where it was. Not cancellable: the wait ends when the work does.
#pragma once

#include "danelaw/net/stream.hpp"

#include <boost/asio/thread_pool.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

namespace danelaw::net {

class WorkerPool {
  public:
    explicit WorkerPool(std::size_t threads) : pool_(threads) {}
    ~WorkerPool() { pool_.join(); }

    // `work` must own what it uses. What it throws is thrown to the caller. It returns a value (not void, not a
    // reference).
    template <class Work> Task<std::invoke_result_t<Work>> run(Work work) {
        using Value = std::invoke_result_t<Work>;
        struct Shared {
            explicit Shared(Work w) : work(std::move(w)) {}
            Work work;
            std::optional<Value> value;
            std::exception_ptr thrown;
        };
        const auto shared = std::make_shared<Shared>(std::move(work));
        std::function<void()> job = [shared] {
            try {
                shared->value.emplace(shared->work());
            } catch (...) { // carried over to the caller's thread
                shared->thrown = std::current_exception();
            }
        };
        co_await run_job(std::move(job));
        if (shared->thrown) std::rethrow_exception(shared->thrown);
        co_return std::move(*shared->value);
    }

  private:
    Task<void> run_job(std::function<void()> job);
    boost::asio::thread_pool pool_;
};

} // namespace danelaw::net
