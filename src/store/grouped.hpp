// The Queue that callers see, over any Backend: one writer thread that makes everything waiting one batch and one fsync
// (group commit), one reader thread for deliveries and one for operators' queries, and the recently added mail in
// memory.
#pragma once

#include "backend.hpp"
#include "danelaw/store/group_commit.hpp"
#include "recent.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace danelaw::store {

// One thread with one View, running questions in order.
class ReadLane {
  public:
    using Question = std::move_only_function<void(Result<View*>)>;
    explicit ReadLane(Backend& backend);
    ~ReadLane();
    bool ask(Question question); // false after stop()
    void stop();

  private:
    void run();
    Backend& backend_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Question> waiting_;
    bool stopping_ = false;
    std::thread thread_;
};

class GroupedQueue final : public Queue {
  public:
    GroupedQueue(std::unique_ptr<Backend> backend, Bytes recent);
    ~GroupedQueue() override;

    Task<Result<void>> append(std::string id, std::uint32_t sequence, std::string octets) override;
    Task<void> discard(std::string id) override;
    Task<Result<std::vector<Job>>> add(NewMessage message, Claiming claiming) override;
    Task<Result<std::vector<Job>>> claim(ClaimRequest request) override;
    Task<Result<Time>> next_due() override;
    void on_due(std::function<void()> wake) override;
    Task<Result<Message>> load(std::string id, std::optional<Numbers> only) override;
    Task<Result<std::string>> read(std::string id, std::uint32_t sequence) override;
    Task<Result<Recorded>> record(Record record) override;
    Task<Result<void>> release(std::vector<Job> jobs) override;
    Task<Result<void>> renew(std::vector<Job> jobs) override;
    Task<Result<std::vector<Message>>> list(Filter filter, std::size_t limit, std::string after_id) override;
    Task<Result<Trace>> trace(std::string id) override;
    Task<Result<Acted>> act(Action action, Filter filter, Time now) override;
    Task<Result<void>> forget(std::vector<std::string> ids) override;
    Task<Result<Counts>> counts() override;
    Task<Result<std::vector<DomainCount>>> domains(DomainQuery query) override;
    Task<Result<std::vector<ReasonCount>>> reasons() override;
    Task<Result<std::optional<std::string>>> get(std::string table, std::string key) override;
    Task<Result<void>> put(std::string table, std::string key, std::string value) override;
    Task<Result<std::vector<std::pair<std::string, std::string>>>> scan(std::string table, std::string prefix) override;
    Task<Result<void>> add_counts(std::string table, std::vector<std::pair<std::string, std::int64_t>> counts) override;
    Task<Result<bool>> take_duty(std::string name, Millis time) override;
    std::size_t sharing() const override { return backend_->relays(); }
    Millis look_again() const override { return backend_->look_again(); }
    Task<Result<std::vector<RelayShare>>> relays() override;
    std::vector<std::string> damaged() const override;
    void stop() override;
    Stats stats() const override;

  private:
    using Ops = std::vector<std::shared_ptr<Op>>;

    // Suspends the caller until the writer has done `work`; the answer is in the work returned.
    template <class W> Task<Result<W>> write(W work);
    template <class T, class F> Task<Result<T>> ask(ReadLane& lane, F question);
    bool push(std::shared_ptr<Op> op);
    void line_up(std::shared_ptr<Op> op); // under the lock
    void set_aside(std::string id, std::string why);

    void run(); // the writer thread
    Ops take(); // empty: time for housekeeping, or stop
    void await_company(std::unique_lock<std::mutex>& lock);
    void tidy();
    void commit(const Ops& ops);
    void settle(std::span<Op* const> batch);
    void count(std::size_t operations, std::uint64_t us);
    void settle_alone(Op& op, const Error& error);
    void committed(Op& op); // what memory must learn, before the caller resumes
    void finish(const std::shared_ptr<Op>& op);

    std::unique_ptr<Backend> backend_;
    Recent recent_;
    ReadLane delivery_reads_, operator_reads_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<std::shared_ptr<Op>> waiting_;
    std::size_t answers_awaited_ = 0; // of the waiting
    std::vector<std::string> damaged_;
    std::function<void()> on_due_;
    bool stopping_ = false;
    bool awaiting_company_ = false;
    std::size_t last_operations_ = 0;                     // of the last commit; the writer's own
    std::chrono::steady_clock::time_point last_commit_{}; // its end
    std::optional<Millis> tidy_after_;                    // so long a rest; nullopt: nothing to do. The writer's own
    std::atomic<std::uint64_t> commits_ = 0, operations_ = 0, failures_ = 0, last_commit_us_ = 0, commit_us_ = 0;
    std::array<std::atomic<std::uint64_t>, Stats::size_bounds.size() + 1> commits_of_size_{};
    std::array<std::atomic<std::uint64_t>, Stats::us_bounds.size() + 1> commits_of_us_{};
    std::thread thread_;
};

} // namespace danelaw::store
