// Owning coroutines.
#include "danelaw/net/task_group.hpp"

#include "danelaw/net/wakeup.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <unordered_set>
#include <vector>

namespace danelaw::net {

namespace asio = boost::asio;

namespace {

struct Entry {
    std::string name;
    asio::cancellation_signal signal;
};

Task<void> run_quietly(Task<void> task) {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await std::move(task);
}

std::string what(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) { // reported by the caller like any other
        return "unknown exception";
    }
}

} // namespace

struct TaskGroup::State {
    State(const asio::any_io_executor& at, OnException report)
        : executor(at), on_exception(std::move(report)), emptied(at) {}

    void ended(const std::shared_ptr<Entry>& entry, const std::exception_ptr& thrown) {
        entries.erase(entry);
        if (thrown && on_exception) on_exception(entry->name, what(thrown));
        if (entries.empty()) emptied.notify();
    }

    asio::any_io_executor executor;
    OnException on_exception;
    std::unordered_set<std::shared_ptr<Entry>> entries;
    Wakeup emptied;
};

TaskGroup::TaskGroup(asio::any_io_executor executor, OnException on_exception)
    : state_(std::make_shared<State>(executor, std::move(on_exception))) {}

TaskGroup::~TaskGroup() {
    cancel_all();
}

void TaskGroup::spawn(std::string name, Task<void> task) {
    auto entry = std::make_shared<Entry>();
    entry->name = std::move(name);
    state_->entries.insert(entry);
    auto done = [state = state_, entry](const std::exception_ptr& thrown) { state->ended(entry, thrown); };
    asio::co_spawn(state_->executor, run_quietly(std::move(task)),
                   asio::bind_cancellation_slot(entry->signal.slot(), std::move(done)));
}

void TaskGroup::cancel_all() {
    // A copy: a task may end, and leave the set, while its signal is emitted.
    const std::vector<std::shared_ptr<Entry>> all(state_->entries.begin(), state_->entries.end());
    for (const auto& entry : all) entry->signal.emit(asio::cancellation_type::terminal);
}

std::size_t TaskGroup::size() const {
    return state_->entries.size();
}

Task<void> TaskGroup::join() {
    co_await join_until(Deadline::max());
}

Task<bool> TaskGroup::join_until(Deadline deadline) {
    const auto state = state_;
    while (!state->entries.empty()) {
        if (co_await state->emptied.wait(deadline) != Wakeup::Woken::notified) break;
    }
    const bool none_left = state->entries.empty();
    co_return none_left;
}

} // namespace danelaw::net
