// In idle moments, in steps of some milliseconds: old traces go, free pages go back to the file system, the log is
// emptied.
#include "embedded.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr std::int64_t spare_pages = 1024; // 4 MiB stay free for the next mail
constexpr std::int64_t purge_step = 500;
// Emptying the log costs three fsyncs: between messages that come one by one it would cost more than they do.
constexpr Millis log_rests{1000};

} // namespace

bool Embedded::make_room() {
    bool dropped = directory_.drop_ballast();
    ballast_ = false;
    int frames = wal_frames_;
    wal_frames_ = 0;
    if (frames == 0) return dropped;
    // The log moves into the database, which may take what the ballast left; then the log's own room is used again.
    int rc = sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    SqlError e{rc == SQLITE_OK ? rc : sqlite3_extended_errcode(db_.handle()), "checkpoint"};
    if (rc != SQLITE_OK) (void)broken(e);
    return dropped || rc == SQLITE_OK;
}

std::optional<Millis> Embedded::housekeep(Millis rested) {
    if (failed_) return std::nullopt;
    try {
        if (purge_history() || shrink()) return Millis{0};
        if (rested < log_rests) return log_rests;
        sqlite3_busy_timeout(db_.handle(), 0); // a reader at work: another time
        int rc = sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
        SqlError e{rc == SQLITE_OK ? rc : sqlite3_extended_errcode(db_.handle()), "checkpoint"};
        sqlite3_busy_timeout(db_.handle(), 5000);
        wal_frames_ = 0;
        if (rc != SQLITE_OK && rc != SQLITE_BUSY) throw e;
    } catch (const SqlError& e) {
        if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
        (void)broken(e);
        return std::nullopt;
    }
    if (!ballast_) ballast_ = directory_.fill_ballast(options_.ballast);
    return std::nullopt;
}

bool Embedded::purge_history() {
    auto oldest = latest_ - options_.trace_kept.count();
    auto excess = finished_ - static_cast<std::int64_t>(options_.traces_most);
    {
        auto q = db_.query("SELECT finished FROM history ORDER BY num LIMIT 1");
        if (!q.row() || (q.integer(0) >= oldest && excess <= 0)) return false;
    }
    begin(false);
    db_.run("DELETE FROM history WHERE num IN (SELECT num FROM history WHERE finished < ? ORDER BY num LIMIT ?)",
            excess > 0 ? never : oldest, excess > 0 ? std::min(excess, purge_step) : purge_step);
    std::int64_t gone = db_.changes();
    db_.run("UPDATE counter SET n = n - ? WHERE name = 'finished'", gone);
    db_.run("COMMIT");
    finished_ -= gone;
    return gone > 0;
}

bool Embedded::shrink() {
    if (db_.pragma("freelist_count") <= spare_pages) return false;
    begin(false);
    db_.execute("PRAGMA incremental_vacuum(500)");
    db_.run("COMMIT");
    checkpoint_if_large();
    return true;
}

} // namespace danelaw::store
