// The writer thread: batches, their commit, and what is done when a batch fails.
#include "grouped.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace danelaw::store {
namespace {

// A batch is bounded so that its commit stays short (about 10 ms) and its transaction small.
constexpr std::size_t batch_operations = 512;
constexpr Bytes batch_octets = 16 << 20;
constexpr Millis idle{20}; // without work for so long: clean up a little

bool follows_commit(const Work& work) {
    return std::holds_alternative<ClaimWork>(work) || std::holds_alternative<NextDueWork>(work) ||
           std::holds_alternative<ReleaseWork>(work) || std::holds_alternative<RenewWork>(work) ||
           std::holds_alternative<DutyWork>(work);
}

// Somebody waits for an answer that tells of stable storage; an outcome is only written down.
bool answer_awaited(const Work& work) {
    return !std::holds_alternative<RecordWork>(work);
}

Bytes octets(const Work& work) {
    if (const auto* add = std::get_if<AddWork>(&work)) return add->message.content.size();
    if (const auto* append = std::get_if<AppendWork>(&work)) return append->octets.size();
    return 0;
}

} // namespace

GroupedQueue::GroupedQueue(std::unique_ptr<Backend> backend, Bytes recent)
    : backend_(std::move(backend)), recent_(recent), delivery_reads_(*backend_), operator_reads_(*backend_),
      damaged_(backend_->known_damage()) {
    thread_ = std::thread(&GroupedQueue::run, this);
}

GroupedQueue::~GroupedQueue() {
    stop();
}

void GroupedQueue::stop() {
    {
        std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
    delivery_reads_.stop();
    operator_reads_.stop();
}

bool GroupedQueue::push(std::shared_ptr<Op> op) {
    {
        std::scoped_lock lock(mutex_);
        if (stopping_) return false;
        line_up(op);
        const bool urgent = answer_awaited(op->work) && answers_awaited_ == 1; // the first that is
        const bool news = awaiting_company_ ? urgent || waiting_.size() == enough_company : waiting_.size() == 1;
        if (!news) return true;
    }
    wake_.notify_one();
    return true;
}

void GroupedQueue::line_up(std::shared_ptr<Op> op) {
    if (answer_awaited(op->work)) ++answers_awaited_;
    waiting_.push_back(std::move(op));
}

void GroupedQueue::run() {
    tidy_after_ = idle;
    while (true) {
        Ops ops = take();
        if (!ops.empty()) {
            commit(ops);
            tidy_after_ = idle;
            continue;
        }
        {
            std::scoped_lock lock(mutex_);
            if (stopping_ && waiting_.empty()) return;
        }
        tidy();
    }
}

// Step after step until somebody wants something.
void GroupedQueue::tidy() {
    const Millis rested = tidy_after_.value_or(idle);
    while (true) {
        tidy_after_ = backend_->failed() ? std::nullopt : backend_->housekeep(rested);
        if (tidy_after_ != Millis{0}) return;
        std::scoped_lock lock(mutex_);
        if (stopping_ || !waiting_.empty()) return;
    }
}

GroupedQueue::Ops GroupedQueue::take() {
    std::unique_lock lock(mutex_);
    auto ready = [this] { return stopping_ || !waiting_.empty(); };
    if (tidy_after_ && !backend_->failed()) {
        wake_.wait_for(lock, *tidy_after_, ready);
    } else {
        wake_.wait(lock, ready);
    }
    if (!waiting_.empty()) await_company(lock);
    Ops ops;
    Bytes size = 0;
    while (!waiting_.empty() && ops.size() < batch_operations && size < batch_octets) {
        const auto& work = waiting_.front()->work;
        size += octets(work);
        if (answer_awaited(work)) --answers_awaited_;
        ops.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return ops;
}

void GroupedQueue::await_company(std::unique_lock<std::mutex>& lock) {
    const auto began = std::chrono::steady_clock::now();
    const auto ago = std::chrono::duration_cast<std::chrono::microseconds>(began - last_commit_);
    awaiting_company_ = true;
    while (!stopping_) {
        const auto wait = wait_for_company({waiting_.size(), answers_awaited_ > 0}, {last_operations_, ago});
        if (wait.count() == 0 || wake_.wait_until(lock, began + wait) == std::cv_status::timeout) break;
    }
    awaiting_company_ = false;
}

void GroupedQueue::commit(const Ops& ops) {
    std::vector<Op*> writes;
    for (const auto& op : ops)
        if (!follows_commit(op->work)) writes.push_back(op.get());
    if (!writes.empty()) settle(writes);
    last_operations_ = ops.size();
    last_commit_ = std::chrono::steady_clock::now();
    for (const auto& op : ops)
        if (!follows_commit(op->work)) finish(op);
    for (const auto& op : ops) {
        if (!follows_commit(op->work)) continue;
        backend_->serve(*op);
        finish(op);
    }
}

// One transaction for all; when it fails, halves, so that one bad operation doesn't take others with it.
void GroupedQueue::settle(std::span<Op* const> batch) {
    for (Op* op : batch) op->error.reset();
    auto began = std::chrono::steady_clock::now();
    auto done = backend_->commit(batch);
    auto took = std::chrono::steady_clock::now() - began;
    const auto us = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    last_commit_us_ = us;
    if (done) {
        count(batch.size(), us);
        for (Op* op : batch) committed(*op);
        return;
    }
    ++failures_;
    // DQ-003: no second try; and none when the server is gone, since what it did is not known.
    if (backend_->failed() || done.error().code == Errc::unavailable) {
        for (Op* op : batch) op->error = done.error();
        return;
    }
    if (batch.size() == 1) return settle_alone(*batch[0], done.error());
    settle(batch.first(batch.size() / 2));
    settle(batch.subspan(batch.size() / 2));
}

void GroupedQueue::count(std::size_t operations, std::uint64_t us) {
    ++commits_;
    operations_ += operations;
    commit_us_ += us;
    const auto place = [](const auto& bounds, std::uint64_t value) {
        return static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
    };
    ++commits_of_size_[place(Stats::size_bounds, operations)];
    ++commits_of_us_[place(Stats::us_bounds, us)];
}

// On a full disk new mail is refused, but what was delivered must be recorded: for that the ballast is given up.
void GroupedQueue::settle_alone(Op& op, const Error& error) {
    op.error = error;
    bool outcome = std::holds_alternative<RecordWork>(op.work) || std::holds_alternative<ActWork>(op.work);
    if (error.code != Errc::full || !outcome || !backend_->make_room()) return;
    Op* one[] = {&op};
    op.error.reset();
    if (auto again = backend_->commit(one); !again) {
        op.error = again.error();
        return;
    }
    committed(op);
}

void GroupedQueue::committed(Op& op) {
    if (op.error) return;
    bool due = false;
    if (auto* add = std::get_if<AddWork>(&op.work)) {
        due = add->claiming == Claiming::later;
        if (add->claiming == Claiming::now)
            recent_.put(std::move(add->message.message), std::move(add->message.content));
    } else if (auto* record = std::get_if<RecordWork>(&op.work)) {
        due = !record->record.notices.empty();
        record->recorded.removed ? recent_.erase(record->record.id) : recent_.changed(record->record.id);
    } else if (auto* act = std::get_if<ActWork>(&op.work)) {
        recent_.all_changed();
        due = act->action == Action::flush || act->action == Action::release;
    } else if (auto* aside = std::get_if<SetAsideWork>(&op.work)) {
        recent_.erase(aside->id);
        std::scoped_lock lock(mutex_);
        if (damaged_.size() < Backend::damage_told) damaged_.push_back(aside->id + ": " + aside->why);
    }
    if (!due) return;
    std::function<void()> wake;
    {
        std::scoped_lock lock(mutex_);
        wake = on_due_;
    }
    if (wake) wake();
}

// Resumes the caller, or sends an action's next slice back through the line.
void GroupedQueue::finish(const std::shared_ptr<Op>& op) {
    auto* act = std::get_if<ActWork>(&op->work);
    if (act != nullptr && !op->error) {
        act->acted.messages += act->slice.messages;
        act->acted.recipients += act->slice.recipients;
        act->acted.more = act->slice.more;
        auto& ids = act->acted.ids;
        auto room = acted_ids - std::min(acted_ids, ids.size());
        auto count = static_cast<std::ptrdiff_t>(std::min(room, act->slice.ids.size()));
        ids.insert(ids.end(), act->slice.ids.begin(), act->slice.ids.begin() + count);
        auto& concerned = act->slice.concerned;
        if (!concerned.empty())
            std::move(concerned.begin(), concerned.begin() + count, std::back_inserter(act->acted.concerned));
        std::ranges::move(act->slice.claimed, std::back_inserter(act->acted.claimed));
        auto& missing = act->slice.missing;
        act->acted.missing.insert(act->acted.missing.end(), missing.begin(), missing.end());
        act->cursor = act->next;
        act->cursor_id = act->next_id;
        if (!act->done) {
            std::scoped_lock lock(mutex_);
            if (!stopping_) {
                line_up(op);
                return;
            }
            act->acted.more = true; // a million of them would keep a stop waiting
        }
    }
    if (auto resume = std::exchange(op->resume, nullptr)) resume(); // from here on the op is the caller's
}

std::vector<std::string> GroupedQueue::damaged() const {
    std::scoped_lock lock(mutex_);
    return damaged_;
}

void GroupedQueue::on_due(std::function<void()> wake) {
    std::scoped_lock lock(mutex_);
    on_due_ = std::move(wake);
}

Queue::Stats GroupedQueue::stats() const {
    Stats s;
    s.commits = commits_;
    s.operations = operations_;
    s.failures = failures_;
    s.last_commit_us = last_commit_us_;
    s.commit_us = commit_us_;
    std::ranges::copy(commits_of_size_, s.commits_of_size.begin());
    std::ranges::copy(commits_of_us_, s.commits_of_us.begin());
    s.failed = backend_->failed();
    s.trouble = backend_->trouble();
    return s;
}

void GroupedQueue::set_aside(std::string id, std::string why) {
    auto op = std::make_shared<Op>();
    op->work = SetAsideWork{std::move(id), std::move(why)};
    push(std::move(op));
}

ReadLane::ReadLane(Backend& backend) : backend_(backend), thread_(&ReadLane::run, this) {}

ReadLane::~ReadLane() {
    stop();
}

bool ReadLane::ask(Question question) {
    {
        std::scoped_lock lock(mutex_);
        if (stopping_) return false;
        waiting_.push_back(std::move(question));
    }
    wake_.notify_one();
    return true;
}

void ReadLane::stop() {
    {
        std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void ReadLane::run() {
    std::unique_ptr<View> view;
    while (true) {
        Question question;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            question = std::move(waiting_.front());
            waiting_.pop_front();
        }
        if (!view) {
            auto opened = backend_.view();
            if (!opened) {
                question(fail(opened.error()));
                continue;
            }
            view = std::move(*opened);
        }
        question(view.get());
    }
}

} // namespace danelaw::store
