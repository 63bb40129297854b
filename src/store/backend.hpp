// What a database must do for the queue, synchronously and on the store's own threads. GroupedQueue turns the callers'
// coroutines into Works, the writer thread hands them to Backend in batches, readers use Views.
#pragma once

#include "danelaw/store/queue.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace danelaw::store {

// Each work carries its request and has room for the answer. commit() may be tried again with the same works, so it
// leaves requests as they are and sets answers anew.
struct AddWork {
    NewMessage message;
    Claiming claiming = Claiming::now;
    std::vector<Job> jobs;
};
struct AppendWork {
    std::string id;
    std::uint32_t sequence = 0;
    std::string octets;
};
struct DiscardWork {
    std::string id;
};
struct RecordWork {
    Record record;
    Recorded recorded;
};
// One slice of an operator's action: a million messages are not changed in one transaction, or mail would stand still.
struct ActWork {
    Queue::Action action = Queue::Action::flush;
    Filter filter;
    Time now{};
    Queue::Acted acted;                                  // summed over the slices committed
    enum class Trace { keep, none } trace = Trace::keep; // of messages removed
    std::int64_t cursor = 0;                             // where the next slice begins; the shared store goes by id
    std::string cursor_id;
    bool done = false;
    Queue::Acted slice; // answer of this slice, added to `acted` once it is committed
    std::int64_t next = 0;
    std::string next_id;
};
struct PutWork {
    std::string table, key, value;
};
struct CountWork {
    std::string table;
    std::vector<std::pair<std::string, std::int64_t>> counts;
};
struct SetAsideWork {
    std::string id, why;
};
// These follow the batch's commit.
struct ClaimWork {
    ClaimRequest request;
    std::vector<Job> jobs;
};
struct NextDueWork {
    Time due = Time::max();
};
struct ReleaseWork {
    std::vector<Job> jobs;
};
struct RenewWork {
    std::vector<Job> jobs;
};
struct DutyWork {
    std::string name;
    Millis time{};
    bool mine = true; // alone on its queue a relay does everything itself
};
using Work = std::variant<AddWork, AppendWork, DiscardWork, RecordWork, ActWork, PutWork, CountWork, SetAsideWork,
                          ClaimWork, NextDueWork, ReleaseWork, RenewWork, DutyWork>;

struct Op {
    Work work;
    std::optional<Error> error;
    std::move_only_function<void()> resume; // posts to the caller's executor
};

// A reader's own connection; sees what is committed. Used by one thread.
class View {
  public:
    virtual ~View() = default;
    std::vector<std::pair<std::string, std::string>> damage; // met on the way, to be set aside: id, why
    virtual Result<Message> load(const std::string& id, const std::optional<Numbers>& only) = 0;
    virtual Result<std::string> read(const std::string& id, std::uint32_t sequence) = 0;
    virtual Result<std::vector<Message>> list(const Filter& filter, std::size_t limit, const std::string& after) = 0;
    virtual Result<Trace> trace(const std::string& id) = 0;
    virtual Result<Counts> counts() = 0;
    virtual Result<std::vector<DomainCount>> domains(const DomainQuery& query) = 0;
    virtual Result<std::vector<ReasonCount>> reasons() = 0;
    virtual Result<std::vector<RelayShare>> relays() { return std::vector<RelayShare>(); }
    virtual Result<std::optional<std::string>> get(const std::string& table, const std::string& key) = 0;
    virtual Result<std::vector<std::pair<std::string, std::string>>> scan(const std::string& table,
                                                                          const std::string& prefix) = 0;
};

class Backend {
  public:
    static constexpr std::size_t damage_told = 10000; // of messages set aside; the rest is in the store
    virtual ~Backend() = default;
    // All of the batch in one transaction, stable when it returns. An op that its own rules refuse (stale, not_found)
    // gets `error` and changes nothing; an error returned means that nothing of the batch took effect.
    virtual Result<void> commit(std::span<Op* const> batch) = 0;
    // Claims, releases and such, after the commit of the batch they came with.
    virtual void serve(Op& op) = 0;
    // Gives up the ballast when the disk is full; true when that may have helped.
    virtual bool make_room() { return false; }
    // One short step of cleaning up in an idle moment, after `rested` without work. When is the next to be done: zero,
    // at once; more, after so long a rest; nullopt, when there was work again.
    virtual std::optional<Millis> housekeep(Millis rested) = 0;
    // After a failed fsync nothing more is written (DQ-003).
    virtual bool failed() const = 0;
    virtual Result<std::unique_ptr<View>> view() = 0;
    // Any thread: these jobs are beyond doubt still ours; nobody need be asked.
    virtual bool sure_of(const std::vector<Job>& jobs) const {
        (void)jobs;
        return true;
    }
    virtual std::size_t relays() const { return 1; }
    virtual Millis look_again() const { return Millis::max(); }
    virtual std::string trouble() const { return {}; }
    // What was set aside before or while opening, "id: why".
    virtual std::vector<std::string> known_damage() { return {}; }
};

} // namespace danelaw::store
