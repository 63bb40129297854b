// The queue on SQLite: schema and rules. Everything but View runs on the writer thread.
//
//   message    one row a queued message: id, envelope blob, count of open recipients
//   chunk      its content, limits::chunk octets a row; key = num << 16 | sequence
//   recipient  key = num << 16 | number; indexes serve claim() (domain, due), held ones, and the last attempt's words
//   attempt    the trace of a queued message; key = num << 16 | sequence
//   history    a finished message in one blob: envelope, recipients, attempts; oldest first
//   domain     a row a destination with open recipients: counts and the earliest due time, kept exact by each batch
//   pending    messages whose chunks arrive; what is here at start is an orphan (DQ-002)
//   damaged    messages set aside (DQ-008); their rows stay where they are
#pragma once

#include "backend.hpp"
#include "claims.hpp"
#include "codec.hpp"
#include "sqlite.hpp"

#include <atomic>
#include <memory>
#include <unordered_map>

namespace danelaw::store {

inline constexpr std::int64_t schema_version = 3;
inline constexpr std::int64_t application_id = 0x444E4C57; // "DNLW"
inline constexpr std::int64_t never = INT64_MAX;

inline std::int64_t key_of(std::int64_t num, std::uint32_t n) {
    return num << 16 | n;
}
inline std::int64_t num_of(std::int64_t key) {
    return key >> 16;
}

// The queue directory: its lock, so that two daemons never share it, and the ballast.
class Directory {
  public:
    static Result<Directory> take(const std::string& path);
    Directory(Directory&& other) noexcept;
    Directory& operator=(Directory&&) = delete;
    ~Directory();
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    bool has(const std::string& name) const;
    void mark(const std::string& name) const;
    void unmark(const std::string& name) const;
    bool fill_ballast(Bytes size); // true when it is whole
    bool drop_ballast();           // true when something was given up

  private:
    Directory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
    std::string path_;
    int lock_ = -1;
};

// What a batch changes besides rows, applied once it is committed.
struct Batch {
    struct Delta {
        std::int64_t queued = 0, deferred = 0, held = 0;
        std::string reason; // of the last failure; empty: unchanged
    };
    struct Claim {
        std::int64_t num = 0;
        std::string domain;
        std::vector<Claims::Claimed> recipients;
    };
    std::unordered_map<std::string, Delta> domains; // also those of which only due times changed
    std::int64_t messages = 0, finished = 0;
    std::vector<Claim> claims;
    std::vector<std::pair<std::int64_t, std::uint32_t>> released;
    std::vector<std::string> no_longer_pending;

    void count(const RecipientRow& row, std::int64_t sign); // adds or takes a recipient's weight in its domain
};

// Finds messages for list() and act(): both see the same ones.
class Selection {
  public:
    struct Picked {
        std::int64_t num = 0, open = 0;
        Message message;                     // whole, or its envelope alone
        std::vector<RecipientRow> concerned; // open recipients that the filter means
    };
    enum class Reads { whole_messages, who_is_concerned };
    Selection(Database& db, const Claims& claims, Reads reads) : db_(db), claims_(claims), reads_(reads) {}
    // The next matching messages after `cursor`, at most `limit`, looking at no more than `scan`; moves `cursor` on.
    // True when there may be more.
    bool pick(const Filter& filter, std::size_t limit, std::size_t scan, std::int64_t& cursor,
              std::vector<Picked>& into);
    std::int64_t num_after(const std::string& id); // the cursor that continues a list after this id
    std::vector<std::pair<std::string, std::string>> damage;

  private:
    struct Candidates {
        std::vector<std::int64_t> nums;
        std::size_t seen = 0;
        std::int64_t last = 0; // how far it looked
    };
    Candidates candidates(const Filter& filter, std::size_t scan, std::int64_t after);
    std::optional<Candidates> by_last_attempt(const Filter& filter, std::size_t scan, std::int64_t beyond);
    Candidates scan_all(const Filter& filter, std::size_t scan, std::int64_t after);
    std::optional<Picked> matching(const Filter& filter, std::int64_t num);
    bool in_state(const std::string& state, std::int64_t num, const std::vector<RecipientRow>& rows) const;
    Result<void> fill(Picked& picked, const Filter& filter, std::vector<RecipientRow> rows, std::string_view envelope);
    Database& db_;
    const Claims& claims_;
    const Reads reads_;
};

// Always by number.
std::vector<RecipientRow> rows_of(Database& db, std::int64_t num);
std::vector<RecipientRow> rows_at(Database& db, std::int64_t num, Numbers numbers); // those that there are
std::vector<RecipientRow> rows_towards(Database& db, std::int64_t num, const std::string& domain); // open ones
// Where a message's recipients in a domain are found with less reading: no index has both.
enum class Nearer { message, domain };
Nearer nearer(Database& db, std::int64_t num, const std::string& domain);
Result<Message> message_of(Database& db, std::int64_t num, std::string_view envelope,
                           const std::optional<Numbers>& only = std::nullopt);
std::vector<std::string> attempts_of(Database& db, std::int64_t num);

// A recipient's columns that repeat what is in its last outcome.
Tried tried_of(const RecipientRow& row);

void create_schema(Database& db);
void rebuild_counts(Database& db); // domain and counter, from the rows themselves
bool sound(Database& db);          // SQLite's own check of the file's structure
// Copies what can be read of a broken file into a new one and keeps the old beside it (H126). Throws SqlError when
// nothing can.
void salvage(const Directory& directory, const std::string& vfs, std::vector<std::string>& problems);
// A file is checked whole at start up to this size, which takes half a second; a larger one when a run met damage in
// it.
inline constexpr Bytes checked_at_start = 256 << 20;
inline constexpr const char* damage_mark = "check-at-start";

class Embedded final : public Backend {
  public:
    // Throws SqlError.
    Embedded(EmbeddedOptions options, Directory directory);

    Result<void> commit(std::span<Op* const> batch) override;
    void serve(Op& op) override;
    bool make_room() override;
    std::optional<Millis> housekeep(Millis rested) override;
    bool failed() const override { return failed_; }
    std::vector<std::string> known_damage() override { return aside_; }
    Result<std::unique_ptr<View>> view() override;

  private:
    // Opening.
    void configure();
    void create_or_check();
    void add_last_attempts();
    void remove_orphans();
    void load_counters();
    void set_damaged_aside();
    std::string content_damage(std::int64_t num, std::int64_t size); // "": none
    // One op each; a refusal is returned, a database error thrown.
    Result<void> apply(AddWork& work, Batch& batch);
    Result<void> apply(AppendWork& work, Batch& batch);
    Result<void> apply(DiscardWork& work, Batch& batch);
    Result<void> apply(RecordWork& work, Batch& batch);
    Result<void> apply(ActWork& work, Batch& batch);
    Result<void> apply(PutWork& work, Batch& batch);
    Result<void> apply(CountWork& work, Batch& batch);
    Result<void> apply(SetAsideWork& work, Batch& batch);
    template <class W> Result<void> apply(W& work, Batch& batch);

    void begin(bool durable);
    void finish_batch(Batch& batch);
    void committed(const Batch& batch);
    void update_domain(const std::string& name, const Batch::Delta& delta);
    void checkpoint_if_large();

    Result<std::int64_t> insert(const NewMessage& message, Batch& batch);
    void insert_chunks(std::int64_t num, std::uint32_t first, std::string_view content);
    void insert_recipient(std::int64_t num, const RecipientRow& row, Batch& batch);
    void insert_attempts(std::int64_t num, const std::vector<std::string>& attempts);
    void update_recipient(std::int64_t num, const RecipientRow& row);
    void close_message(std::int64_t num, std::span<const RecipientRow> rows, const std::vector<std::string>& attempts,
                       Batch& batch, ActWork::Trace trace = ActWork::Trace::keep);
    Numbers act_on(ActWork& work, const Selection::Picked& picked, Batch& batch);
    void note_missing(ActWork& work);

    void claim(ClaimWork& work);
    std::vector<std::string> due_domains(const ClaimRequest& request);
    std::size_t claim_domain(const std::string& domain, ClaimWork& work, std::size_t most);
    std::optional<Job> claim_message(const std::string& domain, std::int64_t key, std::int64_t now);
    void next_due(NextDueWork& work);
    std::int64_t unclaimed_due(const std::string& domain);

    void release(const ReleaseWork& work);

    bool purge_history();
    bool shrink();
    Error broken(const SqlError& e);

    EmbeddedOptions options_;
    Directory directory_;
    Database db_;
    Claims claims_;
    std::unordered_map<std::string, std::int64_t> pending_; // messages still arriving: their num
    std::int64_t next_num_ = 1;
    std::int64_t finished_ = 0;
    std::int64_t latest_ = 0; // the latest time a caller told; history ages by it
    std::vector<std::pair<std::int64_t, std::uint32_t>> just_claimed_; // by the claim() going on
    std::vector<std::string> aside_;                                   // known when it was opened
    bool durable_ = true;
    bool ballast_ = false;
    int wal_frames_ = 0;
    std::atomic<bool> failed_ = false;
};

} // namespace danelaw::store
