// Opening the embedded store: settings, schema, what a crash left behind.
#include "embedded.hpp"
#include "grouped.hpp"

#include <filesystem>

namespace danelaw::store {
namespace {

constexpr const char* schema = R"(
CREATE TABLE message(num INTEGER PRIMARY KEY, id TEXT NOT NULL, received INTEGER NOT NULL, size INTEGER NOT NULL,
                     open INTEGER NOT NULL, sender TEXT NOT NULL, envelope BLOB NOT NULL);
CREATE UNIQUE INDEX message_id ON message(id);
CREATE INDEX message_sender ON message(sender COLLATE NOCASE);
CREATE TABLE chunk(key INTEGER PRIMARY KEY, crc INTEGER NOT NULL, octets BLOB NOT NULL);
CREATE TABLE pending(num INTEGER PRIMARY KEY, id TEXT NOT NULL);
CREATE TABLE recipient(key INTEGER PRIMARY KEY, domain TEXT NOT NULL, state INTEGER NOT NULL, due INTEGER NOT NULL,
                       attempts INTEGER NOT NULL, notified INTEGER NOT NULL, address BLOB NOT NULL, last BLOB NOT NULL,
                       reason TEXT NOT NULL DEFAULT '', host TEXT NOT NULL DEFAULT '');
CREATE INDEX recipient_due ON recipient(domain, due) WHERE state = 0;
CREATE INDEX recipient_held ON recipient(domain) WHERE state = 5;
CREATE INDEX recipient_reason ON recipient(reason) WHERE reason <> '';
CREATE INDEX recipient_host ON recipient(host) WHERE host <> '';
CREATE TABLE attempt(key INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE history(num INTEGER PRIMARY KEY, id TEXT NOT NULL, finished INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX history_id ON history(id);
CREATE TABLE domain(name TEXT PRIMARY KEY, queued INTEGER NOT NULL, deferred INTEGER NOT NULL, held INTEGER NOT NULL,
                    due INTEGER NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX domain_due ON domain(due) WHERE queued > 0;
CREATE TABLE counter(name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES('messages', 0), ('finished', 0);
CREATE TABLE kv(tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(tbl, key)) WITHOUT ROWID;
CREATE TABLE damaged(id TEXT PRIMARY KEY, why TEXT NOT NULL) WITHOUT ROWID;
)";

// Version 2 finds recipients by what their last attempt led to.
constexpr const char* version_2 = R"(
BEGIN IMMEDIATE;
ALTER TABLE recipient ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE recipient ADD COLUMN host TEXT NOT NULL DEFAULT '';
)";
constexpr const char* version_2_indexes = R"(
CREATE INDEX recipient_reason ON recipient(reason) WHERE reason <> '';
CREATE INDEX recipient_host ON recipient(host) WHERE host <> '';
PRAGMA user_version=2;
COMMIT;
)";

// Version 3 finds messages by their reverse-path.
constexpr const char* version_3 = R"(
BEGIN IMMEDIATE;
CREATE INDEX message_sender ON message(sender COLLATE NOCASE);
PRAGMA user_version=3;
COMMIT;
)";

int remember_frames(void* frames, sqlite3*, const char*, int count) {
    *static_cast<int*>(frames) = count;
    return SQLITE_OK;
}

// Only structure: damaged messages in a sound file are set aside later, one by one.
bool needs_salvage(const Directory& directory, const std::string& vfs) {
    std::error_code ec;
    auto size = std::filesystem::file_size(directory.file("queue.db"), ec);
    if (ec || size == 0 || (size > checked_at_start && !directory.has(damage_mark))) return false;
    try {
        Database db(directory.file("queue.db"), Database::Mode::read_write, vfs);
        if (db.pragma("user_version") != schema_version || db.pragma("application_id") != application_id) return false;
        return !sound(db);
    } catch (const SqlError& e) {
        if (!e.is_corrupt()) throw;
        return true;
    }
}

} // namespace

void create_schema(Database& db) {
    db.execute("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA "
               "synchronous=FULL; PRAGMA secure_delete=OFF");
    std::string all = std::string("BEGIN IMMEDIATE;") + schema +
                      "PRAGMA application_id=" + std::to_string(application_id) +
                      "; PRAGMA user_version=" + std::to_string(schema_version) + "; COMMIT";
    db.execute(all.c_str());
}

Embedded::Embedded(EmbeddedOptions options, Directory directory)
    : options_(std::move(options)), directory_(std::move(directory)),
      db_(directory_.file("queue.db"), Database::Mode::read_write, options_.vfs) {
    create_or_check();
    configure();
    remove_orphans();
    load_counters();
    set_damaged_aside();
    ballast_ = directory_.fill_ballast(options_.ballast);
}

// DQ-064: a newer program's queue, or somebody else's file, is left as it is.
void Embedded::create_or_check() {
    auto version = db_.pragma("user_version");
    auto owner = db_.pragma("application_id");
    if (version == schema_version && owner == application_id) return;
    if (owner == application_id && version >= 1 && version < schema_version) {
        if (version == 1) add_last_attempts();
        db_.execute(version_3);
        return;
    }
    bool empty = db_.pragma("schema_version") == 0 && version == 0;
    if (!empty) {
        SqlError e{SQLITE_MISMATCH, directory_.file("queue.db") + " has schema version " + std::to_string(version) +
                                        ", this program knows " + std::to_string(schema_version)};
        throw e;
    }
    create_schema(db_);
}

// All or nothing: a crash on the way leaves version 1.
void Embedded::add_last_attempts() {
    db_.execute(version_2);
    std::int64_t after = -1;
    for (bool more = true; more;) {
        std::vector<std::pair<std::int64_t, Tried>> rows;
        {
            auto q = db_.query("SELECT key, last FROM recipient WHERE key > ? AND length(last) > 0 ORDER BY key LIMIT "
                               "1000",
                               after);
            while (q.row()) {
                RecipientRow row;
                row.last = q.text(1);
                rows.emplace_back(q.integer(0), tried_of(row));
            }
        }
        for (const auto& [key, last] : rows)
            db_.run("UPDATE recipient SET reason = ?, host = ? WHERE key = ?", last.reason, last.host, key);
        more = !rows.empty();
        if (more) after = rows.back().first;
    }
    db_.execute(version_2_indexes);
}

// Measured settings; secure_delete is on in Debian's build and would overwrite every delivered message.
void Embedded::configure() {
    std::string settings = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF; PRAGMA "
                           "temp_store=MEMORY; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=33554432; "
                           "PRAGMA cache_size=-" +
                           std::to_string(options_.cache / 1024);
    db_.execute(settings.c_str());
    // Checkpoints are our own, since SQLite's automatic ones swallow the error of a failed fsync (DQ-003).
    sqlite3_wal_hook(db_.handle(), remember_frames, &wal_frames_);
}

// DQ-002: pieces of a message that was never answered 250 leave nothing behind.
void Embedded::remove_orphans() {
    db_.execute("BEGIN IMMEDIATE;"
                "DELETE FROM chunk WHERE EXISTS (SELECT 1 FROM pending) AND key IN "
                "(SELECT c.key FROM pending p JOIN chunk c ON c.key BETWEEN p.num << 16 AND p.num << 16 | 65535);"
                "DELETE FROM pending; COMMIT");
}

void Embedded::load_counters() {
    auto top = db_.query("SELECT max(coalesce((SELECT max(num) FROM message), 0), "
                         "coalesce((SELECT max(key) >> 16 FROM chunk), 0), "
                         "coalesce((SELECT max(key) >> 16 FROM recipient), 0), "
                         "coalesce((SELECT max(key) >> 16 FROM attempt), 0))");
    if (top.row()) next_num_ = top.integer(0) + 1;
    auto finished = db_.query("SELECT n FROM counter WHERE name = 'finished'");
    if (finished.row()) finished_ = finished.integer(0);
    auto last = db_.query("SELECT finished FROM history ORDER BY num DESC LIMIT 1");
    if (last.row()) latest_ = last.integer(0);
}

Result<Opened> open_embedded(EmbeddedOptions options) {
    auto directory = Directory::take(options.directory);
    if (!directory) return fail(directory.error());
    Opened opened;
    Bytes recent = options.recent;
    try {
        if (needs_salvage(*directory, options.vfs)) salvage(*directory, options.vfs, opened.problems);
        auto backend = std::make_unique<Embedded>(std::move(options), std::move(*directory));
        opened.queue = std::make_unique<GroupedQueue>(std::move(backend), recent);
    } catch (const SqlError& e) {
        if (e.code == SQLITE_MISMATCH) return fail(Errc::config, e.detail);
        return fail(e.error());
    }
    return opened;
}

} // namespace danelaw::store
