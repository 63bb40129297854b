// Coroutines that belong to somebody: nothing is detached. A task that throws is reported, all can be cancelled, and
// the owner joins them before it goes. One thread.
//
// cancel_all() makes every wait of net:: in the group's tasks fail with errc::cancelled, now and later; nothing throws,
// so that a task ends by its ordinary error paths. A task that must still do I/O then calls
// `co_await this_coro::reset_cancellation_state()` first.
#pragma once

#include "danelaw/net/stream.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <string>

namespace danelaw::net {

class TaskGroup {
  public:
    // Told of a task that ended by an exception: a bug, to be logged.
    using OnException = std::function<void(const std::string& task, const std::string& what)>;

    TaskGroup(boost::asio::any_io_executor executor, OnException on_exception);
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    ~TaskGroup(); // cancels what was not joined

    void spawn(std::string name, Task<void> task);
    void cancel_all();
    std::size_t size() const;
    // Ends when the group is empty. One joiner at a time.
    Task<void> join();
    // The same, but no later than the deadline: is the group empty?
    Task<bool> join_until(Deadline deadline);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace danelaw::net
