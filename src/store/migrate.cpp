// Moving a queue between stores: each message is stable in the new one before it leaves the old. Stopped half way it
// goes on: what is in the new store already, queued or finished, only leaves the old.
#include "danelaw/store/queue.hpp"

#include "danelaw/base/limits.hpp"

namespace danelaw::store {
namespace {

// Content in pieces: a message of any size costs one chunk of memory.
Task<Result<void>> copy_content(Queue& from, Queue& to, const std::string& id) {
    for (std::uint32_t n = 0;; ++n) {
        auto piece = co_await from.read(id, n);
        if (!piece) co_return fail(piece.error());
        if (piece->empty()) co_return Result<void>{};
        auto taken = co_await to.append(id, n, std::move(*piece));
        if (!taken) co_return taken;
    }
}

Task<Result<void>> copy_message(Queue& from, Queue& to, const std::string& id) {
    auto there = co_await to.trace(id);
    if (there) co_return Result<void>{};
    if (there.error().code != Errc::not_found) co_return fail(there.error());
    auto trace = co_await from.trace(id);
    if (!trace) co_return fail(trace.error());
    auto copied = co_await copy_content(from, to, id);
    if (!copied) {
        co_await to.discard(id);
        co_return copied;
    }
    NewMessage message{std::move(trace->message), {}, std::move(trace->attempts)};
    auto added = co_await to.add(std::move(message), Claiming::later);
    if (!added) co_return fail(added.error());
    co_return Result<void>{};
}

} // namespace

Task<Result<std::uint64_t>> migrate(Queue& from, Queue& to, Time, std::function<void(std::uint64_t)> progress) {
    std::uint64_t moved = 0;
    while (true) {
        Filter all;
        all.all = true;
        auto page = co_await from.list(all, 100, "");
        if (!page) co_return fail(page.error());
        if (page->empty()) co_return moved;
        std::vector<std::string> done;
        for (const auto& message : *page) {
            auto copied = co_await copy_message(from, to, message.envelope.id);
            // Damaged ones are set aside by reading them and stay where they are (DQ-008).
            if (!copied && copied.error().code == Errc::damaged) continue;
            if (!copied) co_return fail(copied.error());
            done.push_back(message.envelope.id);
        }
        if (done.empty()) continue;
        auto count = done.size();
        auto left = co_await from.forget(std::move(done));
        if (!left) co_return fail(left.error());
        moved += count;
        if (progress) progress(moved);
    }
}

} // namespace danelaw::store
