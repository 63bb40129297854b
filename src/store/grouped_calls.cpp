// The callers' side: each call becomes a Work or a question, waits for its answer on its own executor and unpacks it.
// A call that has begun is not given up when its coroutine is cancelled: what is being written must be known.
#include "grouped.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace danelaw::store {
namespace {

namespace asio = boost::asio;
using Resume = std::move_only_function<void()>;

// A handler as a function that any thread may call once; keeps the caller's io_context running until then.
template <class Handler> Resume resumer(Handler handler) {
    asio::any_io_executor executor = asio::get_associated_executor(handler);
    asio::any_io_executor work = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    return [handler = std::move(handler), work = std::move(work)]() mutable { asio::post(work, std::move(handler)); };
}

// Suspends; `start` gets what resumes us. It must see to it that this is called exactly once.
template <class Start> Task<void> suspend(Start start) {
    bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    auto initiate = [&start](auto handler) { start(resumer(std::move(handler))); };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(initiate, asio::use_awaitable);
    co_await asio::this_coro::throw_if_cancelled(throws);
}

Error stopped() {
    return Error{Errc::unavailable, "the store is stopping"};
}

} // namespace

template <class W> Task<Result<W>> GroupedQueue::write(W work) {
    auto op = std::make_shared<Op>();
    op->work = std::move(work);
    auto start = [this, &op](Resume resume) {
        op->resume = std::move(resume);
        if (push(op)) return;
        op->error = stopped();
        std::exchange(op->resume, nullptr)();
    };
    co_await suspend(std::move(start));
    if (op->error) co_return fail(std::move(*op->error));
    co_return std::get<W>(std::move(op->work));
}

template <class T, class F> Task<Result<T>> GroupedQueue::ask(ReadLane& lane, F question) {
    std::optional<Result<T>> answer;
    auto start = [&](Resume resume) {
        auto shared = std::make_shared<Resume>(std::move(resume));
        auto run = [this, &answer, &question, shared](Result<View*> view) {
            if (view) {
                answer.emplace(question(**view));
                for (auto& [id, why] : std::exchange((*view)->damage, {})) set_aside(id, why);
            } else {
                answer.emplace(fail(view.error()));
            }
            (*shared)();
        };
        if (lane.ask(std::move(run))) return;
        answer.emplace(fail(stopped()));
        (*shared)();
    };
    co_await suspend(std::move(start));
    co_return std::move(*answer);
}

Task<Result<void>> GroupedQueue::append(std::string id, std::uint32_t sequence, std::string octets) {
    AppendWork work{std::move(id), sequence, std::move(octets)};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return Result<void>{};
}

Task<void> GroupedQueue::discard(std::string id) {
    DiscardWork work{std::move(id)};
    co_await write(std::move(work)); // what it leaves on an error goes at the next start
}

Task<Result<std::vector<Job>>> GroupedQueue::add(NewMessage message, Claiming claiming) {
    AddWork work{std::move(message), claiming, {}};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return std::move(done->jobs);
}

Task<Result<std::vector<Job>>> GroupedQueue::claim(ClaimRequest request) {
    ClaimWork work{std::move(request), {}};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return std::move(done->jobs);
}

Task<Result<Time>> GroupedQueue::next_due() {
    NextDueWork work;
    auto done = co_await write(work);
    if (!done) co_return fail(done.error());
    co_return done->due;
}

Task<Result<Recorded>> GroupedQueue::record(Record record) {
    RecordWork work{std::move(record), {}};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return std::move(done->recorded);
}

Task<Result<void>> GroupedQueue::release(std::vector<Job> jobs) {
    ReleaseWork work{std::move(jobs)};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return Result<void>{};
}

Task<Result<void>> GroupedQueue::renew(std::vector<Job> jobs) {
    if (backend_->sure_of(jobs)) co_return Result<void>{};
    RenewWork work{std::move(jobs)};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return Result<void>{};
}

Task<Result<bool>> GroupedQueue::take_duty(std::string name, Millis time) {
    DutyWork work{std::move(name), time};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return done->mine;
}

Task<Result<std::vector<RelayShare>>> GroupedQueue::relays() {
    auto question = [](View& view) { return view.relays(); };
    co_return co_await ask<std::vector<RelayShare>>(operator_reads_, std::move(question));
}

Task<Result<Queue::Acted>> GroupedQueue::act(Action action, Filter filter, Time now) {
    filter.now = now;
    ActWork work;
    work.action = action;
    work.filter = std::move(filter);
    work.now = now;
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return std::move(done->acted);
}

Task<Result<void>> GroupedQueue::forget(std::vector<std::string> ids) {
    ActWork work;
    work.action = Action::remove;
    work.trace = ActWork::Trace::none;
    work.filter.ids = std::move(ids);
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return Result<void>{};
}

Task<Result<void>> GroupedQueue::put(std::string table, std::string key, std::string value) {
    PutWork work{std::move(table), std::move(key), std::move(value)};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return Result<void>{};
}

Task<Result<void>> GroupedQueue::add_counts(std::string table,
                                            std::vector<std::pair<std::string, std::int64_t>> counts) {
    CountWork work{std::move(table), std::move(counts)};
    auto done = co_await write(std::move(work));
    if (!done) co_return fail(done.error());
    co_return Result<void>{};
}

Task<Result<Message>> GroupedQueue::load(std::string id, std::optional<Numbers> only) {
    if (auto recent = recent_.load(id, only)) co_return std::move(*recent);
    auto question = [&id, &only](View& view) { return view.load(id, only); };
    co_return co_await ask<Message>(delivery_reads_, std::move(question));
}

Task<Result<std::string>> GroupedQueue::read(std::string id, std::uint32_t sequence) {
    if (auto recent = recent_.read(id, sequence)) co_return std::move(*recent);
    auto question = [&id, sequence](View& view) { return view.read(id, sequence); };
    co_return co_await ask<std::string>(delivery_reads_, std::move(question));
}

Task<Result<std::vector<Message>>> GroupedQueue::list(Filter filter, std::size_t limit, std::string after_id) {
    auto question = [&](View& view) { return view.list(filter, limit, after_id); };
    co_return co_await ask<std::vector<Message>>(operator_reads_, std::move(question));
}

Task<Result<Trace>> GroupedQueue::trace(std::string id) {
    auto question = [&id](View& view) { return view.trace(id); };
    co_return co_await ask<Trace>(operator_reads_, std::move(question));
}

Task<Result<Counts>> GroupedQueue::counts() {
    auto question = [](View& view) { return view.counts(); };
    co_return co_await ask<Counts>(operator_reads_, std::move(question));
}

Task<Result<std::vector<DomainCount>>> GroupedQueue::domains(DomainQuery query) {
    auto question = [&](View& view) { return view.domains(query); };
    co_return co_await ask<std::vector<DomainCount>>(operator_reads_, std::move(question));
}

Task<Result<std::vector<ReasonCount>>> GroupedQueue::reasons() {
    auto question = [](View& view) { return view.reasons(); };
    co_return co_await ask<std::vector<ReasonCount>>(operator_reads_, std::move(question));
}

Task<Result<std::optional<std::string>>> GroupedQueue::get(std::string table, std::string key) {
    auto question = [&](View& view) { return view.get(table, key); };
    co_return co_await ask<std::optional<std::string>>(delivery_reads_, std::move(question));
}

Task<Result<std::vector<std::pair<std::string, std::string>>>> GroupedQueue::scan(std::string table,
                                                                                  std::string prefix) {
    auto question = [&](View& view) { return view.scan(table, prefix); };
    co_return co_await ask<std::vector<std::pair<std::string, std::string>>>(operator_reads_, std::move(question));
}

} // namespace danelaw::store
