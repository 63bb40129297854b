// The queue on stable storage: what a 250 rests on (DQ-001…). Two stores implement it, SQLite (embedded) and PostgreSQL
// (shared). All calls are made from io threads and resume there; one writer thread turns everything waiting into one
// batch and one fsync. A call returns after its batch is on stable storage, or with the error that kept it from being.
// errc: full (no room), unavailable (can't write now), damaged, stale (lease lost), not_found.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/message/envelope.hpp"

#include <boost/asio/awaitable.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::store {

template <class T> using Task = boost::asio::awaitable<T>;

struct Message {
    message::Envelope envelope;
    std::vector<message::Recipient> recipients; // by number; not all of them where only some were loaded
    const message::Recipient* recipient(std::uint32_t number) const; // nullptr: not among these
};
using Numbers = std::vector<std::uint32_t>; // of recipients

// A message to be added. Small content is given whole in `content`; large content was appended before under the same
// id.
struct NewMessage {
    Message message;
    std::string content;
    std::vector<std::string> attempts; // trace brought along from another store (migrate); empty for new mail
};

// Whether add() hands the new recipients to the caller as claimed jobs, or leaves them for claim().
enum class Claiming { now, later };

// Due recipients of one message for one domain, claimed for this process: nobody else attempts them until they are
// recorded, released, or the lease ends (DQ-006).
struct Job {
    std::string id;
    std::string domain;
    std::vector<std::uint32_t> recipients; // numbers, due now
    std::uint32_t attempts = 0;            // the most of any of them
    Time received_at{};
    Time due{};
    Bytes size = 0;
    std::string reverse_path;
    std::uint64_t fence = 0; // fencing token of the lease; 0 on the embedded store
};

struct ClaimRequest {
    Time now{};
    std::size_t limit = 1000;      // jobs in all
    std::size_t per_domain = 200;  // jobs of one domain, counting those already claimed here
    std::vector<std::string> skip; // domains whose window is full
};

// One recipient's change after an attempt (or an operator's action).
struct RecipientUpdate {
    std::uint32_t number = 0;
    message::RecipientState state = message::RecipientState::queued;
    Time next_attempt{};
    bool count_attempt = true;
    bool delay_notified = false; // set now
    std::optional<message::Outcome> outcome;
};

// What an attempt led to, made stable in one atomic step (DQ-004): recipients' states, the trace, notices to be sent.
struct Record {
    std::string id;
    std::uint64_t fence = 0;
    std::vector<RecipientUpdate> updates;
    std::vector<std::string> attempts; // JSON objects, one a host tried: the stored "why"
    std::vector<NewMessage> notices;   // DSNs; added in the same step
};
// Recipients that were closed meanwhile are left alone and listed in `stale`; when all were, record() fails with
// errc::stale and nothing is written. A held recipient recorded as queued again stays held. Notices are not claimed:
// claim() finds them. Any other error left everything as it was: record again (H127).
struct Recorded {
    bool removed = false; // no recipient is open: the message left the queue, its trace stays
    std::vector<std::uint32_t> stale;
};

// Empty fields match everything in list(); act() with nothing named needs `all`. `state` is the message's: active (a
// recipient is claimed or was never tried), deferred, held (only held ones are open). Domain, reason and host choose
// recipients; `host` is the MX host of the last attempt, or with a leading dot all hosts below a name: a provider's.
struct Filter {
    std::vector<std::string> ids;
    std::string domain, sender, state, reason, host;
    std::optional<Millis> older_than; // measured from `now` (act() sets it)
    std::optional<Time> due_after;    // recipients that wait beyond this time
    bool all = false;
    Time now{};
};

// Pure: is every field empty, `all` aside?
bool names_nothing(const Filter& filter);
// Pure: does the filter mean this recipient, its state and its message's facts aside?
bool concerns(const Filter& filter, const message::Recipient& recipient);

struct Counts {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0, active = 0, deferred = 0, held = 0; // open recipients, and of these
    std::uint64_t destinations = 0;
    std::optional<Time> oldest;
};

// A finished or open message with the attempts made for it.
struct Trace {
    Message message;
    std::vector<std::string> attempts; // JSON, oldest first
    bool in_queue = false;
};

struct DomainCount {
    std::string domain;
    std::uint64_t recipients = 0;
    std::string reason;
    Time oldest{};
};
// Which destinations with open mail: most recipients first, then by name. Empty fields match everything.
struct DomainQuery {
    std::size_t limit = 20, offset = 0;
    std::string contains{}; // in the name
    std::string reason{};   // why it waits
};
// Open mail by why it waits; "" where nothing failed.
struct ReasonCount {
    std::string reason;
    std::uint64_t destinations = 0, recipients = 0;
};

// A relay on a shared queue.
struct RelayShare {
    std::string name;
    Time seen{};             // when it last showed itself, by the database's clock
    std::uint64_t holds = 0; // recipients that it works on
};

class Queue {
  public:
    virtual ~Queue() = default;

    // -- accepting
    // Stores a piece (limits::chunk octets, the last one shorter) of a large message that is still arriving; not yet
    // part of the queue, and gone after a restart. Resumes when the writer has taken it: back-pressure.
    virtual Task<Result<void>> append(std::string id, std::uint32_t sequence, std::string octets) = 0;
    virtual Task<void> discard(std::string id) = 0; // forget appended pieces of a message that won't come
    // On stable storage when it returns. Claiming::now: its recipients are claimed by this process and returned as
    // jobs, so that new mail reaches the scheduler without a second read (release() what doesn't fit). Id taken:
    // errc::limit.
    virtual Task<Result<std::vector<Job>>> add(NewMessage message, Claiming claiming = Claiming::now) = 0;

    // -- delivering
    virtual Task<Result<std::vector<Job>>> claim(ClaimRequest request) = 0;
    virtual Task<Result<Time>> next_due() = 0; // earliest due time of unclaimed work; Time::max() when none
    // `wake` is called, on any thread, when unclaimed work may have become due earlier: notices, flush, release.
    virtual void on_due(std::function<void()> wake) = 0;
    // With all recipients, or with these alone: then it costs what they cost, however many others there are. A number
    // that is not there: errc::damaged.
    virtual Task<Result<Message>> load(std::string id, std::optional<Numbers> only = std::nullopt) = 0;
    // One chunk (limits::chunk octets, the last one shorter) of the content; empty after the last. Checksum verified:
    // errc::damaged.
    virtual Task<Result<std::string>> read(std::string id, std::uint32_t sequence) = 0;
    virtual Task<Result<Recorded>> record(Record record) = 0;
    virtual Task<Result<void>> release(std::vector<Job> jobs) = 0; // not attempted after all: due again at once
    // Are they still this process's? To be asked before each MAIL (DQ-006). Answers at once unless the process was, or
    // may have been, taken for dead. stale: others have them, forget them; unavailable: nobody can tell now, ask again.
    virtual Task<Result<void>> renew(std::vector<Job> jobs) {
        (void)jobs;
        co_return Result<void>{};
    }

    // -- operator
    virtual Task<Result<std::vector<Message>>> list(Filter filter, std::size_t limit, std::string after_id) = 0;
    virtual Task<Result<Trace>> trace(std::string id) = 0; // also for finished messages, while kept
    enum class Action { flush, hold, release, remove, bounce };
    static constexpr std::size_t acted_ids = 1000;
    struct Acted {
        std::uint64_t messages = 0, recipients = 0;
        std::vector<std::string> ids;     // the first acted_ids of the messages
        std::vector<std::string> missing; // named ids that are not in the queue
        std::vector<Numbers> concerned;   // bounce: of each of `ids`, who is to be bounced
        bool more = false;                // bounce: `ids` is full; record those, then call again
        // bounce: what was claimed for the caller by it, who releases what can't be recorded. The shared store's claims
        // end by themselves.
        std::vector<Job> claimed;
    };
    // flush: due now. hold: not claimed until released. release: no longer held, due now. remove: closed without DSN;
    // record() of what was claimed then gets errc::stale. bounce: claims them for the caller, who records the bounces
    // with their DSNs.
    virtual Task<Result<Acted>> act(Action action, Filter filter, Time now) = 0;
    // Takes messages out without outcome or trace: they live on in another store (migrate).
    virtual Task<Result<void>> forget(std::vector<std::string> ids) {
        (void)ids;
        co_return fail(Errc::unavailable, "this store forgets nothing");
    }
    // -- together with other relays
    // Of the relays on one queue, shall this one do what is done once for all (TR-020)? The duty is kept for `time`,
    // longer when its holder asks again, then anybody's. Alone on a queue: always.
    virtual Task<Result<bool>> take_duty(std::string name, Millis time) {
        (void)name, (void)time;
        co_return true;
    }
    virtual std::size_t sharing() const { return 1; } // relays alive on this queue, this one among them
    // What other relays release, defer or leave behind makes no noise here: claim() at least so often.
    virtual Millis look_again() const { return Millis::max(); }
    virtual Task<Result<std::vector<RelayShare>>> relays() { co_return std::vector<RelayShare>(); } // empty: not shared
    virtual Task<Result<Counts>> counts() = 0;
    virtual Task<Result<std::vector<DomainCount>>> domains(DomainQuery query) = 0;
    virtual Task<Result<std::vector<ReasonCount>>> reasons() = 0; // most recipients first

    // -- small key-values: MTA-STS cache, TLSRPT counters. `add_counts` sums atomically.
    virtual Task<Result<std::optional<std::string>>> get(std::string table, std::string key) = 0;
    virtual Task<Result<void>> put(std::string table, std::string key, std::string value) = 0; // empty value deletes
    virtual Task<Result<std::vector<std::pair<std::string, std::string>>>> scan(std::string table,
                                                                                std::string prefix) = 0;
    virtual Task<Result<void>> add_counts(std::string table,
                                          std::vector<std::pair<std::string, std::int64_t>> counts) = 0;

    // Messages found damaged and set aside, now or in former runs ("id: why", the first ten thousand; DQ-008). Never
    // deleted.
    virtual std::vector<std::string> damaged() const = 0;

    // Ends the writer after what is waiting is stable. No calls after it.
    virtual void stop() = 0;
    // For metrics: batches committed, operations in them, how long each took with its fsync. The histograms have a
    // place for each bound, and one for what is larger.
    struct Stats {
        static constexpr std::array<std::uint64_t, 10> size_bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
        static constexpr std::array<std::uint64_t, 10> us_bounds = {100,   250,    500,    1'000,   2'500,
                                                                    5'000, 10'000, 50'000, 250'000, 1'000'000};
        std::uint64_t commits = 0, operations = 0, last_commit_us = 0, commit_us = 0, failures = 0;
        std::array<std::uint64_t, size_bounds.size() + 1> commits_of_size{};
        std::array<std::uint64_t, us_bounds.size() + 1> commits_of_us{};
        bool failed = false;
        std::string trouble; // why the database can't be reached; empty: it can
    };
    virtual Stats stats() const = 0;
};

struct EmbeddedOptions {
    std::string directory;
    Millis trace_kept = std::chrono::hours(24 * 7);
    std::size_t traces_most = 100000;
    Bytes cache = 48 << 20;   // pages of the database in memory
    Bytes recent = 32 << 20;  // content of mail just added, so that its first delivery reads nothing
    Bytes ballast = 32 << 20; // given up so that outcomes can be recorded on a full disk; the log's largest size
    std::string vfs;          // SQLite's VFS; tests put one that forgets unsynced writes here
};
// Opens (creating it when missing), recovers, sets damaged records aside (DQ-007, DQ-008); `problems` tells of damage
// to the store as a whole. errc::unavailable: another process has it. errc::config: made by a newer version (DQ-064),
// errc::damaged: nothing of it can be read; nothing was touched.
struct Opened {
    std::unique_ptr<Queue> queue;
    std::vector<std::string> problems;
};
Result<Opened> open_embedded(EmbeddedOptions options);

// A queue that several relays share. What a relay held that died is taken over by the others (DQ-006). The server must
// be there; afterwards it may come and go.
struct PostgresOptions {
    std::string conninfo; // libpq's: "host=/run/postgresql dbname=danelaw"
    std::string owner;    // this process's name, no other's; a unique one is made when empty
    // So long after a relay last showed itself the others take its work over. It shows itself five times in a lease.
    Millis lease = std::chrono::seconds(15);
    Millis trace_kept = std::chrono::hours(24 * 7);
    std::size_t traces_most = 100000;
    Bytes recent = 32 << 20;
};
Result<Opened> open_shared(PostgresOptions options);

// Moves every queued message (content, states, traces) from one store to another, both idle. A message leaves `from`
// once it is stable in `to`; stopped half way it goes on where it was. Returns how many were moved.
Task<Result<std::uint64_t>> migrate(Queue& from, Queue& to, Time now, std::function<void(std::uint64_t)> progress);

} // namespace danelaw::store
