// Damage in the database file (DQ-008, H126). What can be read goes into a new file; the broken one is kept beside it
// and nothing of it is deleted. A message that can't be read whole is named among the problems and in table `damaged`.
#include "embedded.hpp"

#include "crc32c.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

namespace danelaw::store {
namespace {

// Runs over rows from both ends, since a broken page ends a scan.
void from_both_ends(Database& old, const char* up, const char* down, const std::function<void(Query&)>& row) {
    for (const char* sql : {up, down}) {
        try {
            auto q = old.query(sql);
            while (q.row()) row(q);
        } catch (const SqlError&) { // NOLINT(bugprone-empty-catch): the other direction goes on
        }
    }
}

struct Known {
    std::map<std::int64_t, std::string> messages; // num → id, "" when only its rows are known
};

// Nums of all messages, from every table and index that tells of them.
Known find_messages(Database& old) {
    Known known;
    auto named = [&](Query& q) { known.messages[q.integer(0)] = q.text(1); };
    auto counted = [&](Query& q) { known.messages.try_emplace(q.integer(0)); };
    from_both_ends(old, "SELECT DISTINCT key >> 16 FROM recipient NOT INDEXED ORDER BY key",
                   "SELECT DISTINCT key >> 16 FROM recipient NOT INDEXED ORDER BY key DESC", counted);
    from_both_ends(old, "SELECT num, id FROM message NOT INDEXED ORDER BY num",
                   "SELECT num, id FROM message NOT INDEXED ORDER BY num DESC", named);
    from_both_ends(old, "SELECT num, id FROM message INDEXED BY message_id ORDER BY id",
                   "SELECT num, id FROM message INDEXED BY message_id ORDER BY id DESC", named);
    return known;
}

// Copies one message whole, or says why not.
class Copier {
  public:
    Copier(Database& old, Database& fresh) : old_(old), fresh_(fresh) {}

    Result<void> message(std::int64_t num) {
        fresh_.run("SAVEPOINT one");
        auto done = copy(num);
        if (!done) fresh_.run("ROLLBACK TO one");
        fresh_.run("RELEASE one");
        return done;
    }

  private:
    Result<void> copy(std::int64_t num) try {
        auto m =
            old_.query("SELECT id, received, size, open, sender, envelope FROM message NOT INDEXED WHERE num = ?", num);
        if (!m.row()) return fail(Errc::damaged, "its envelope is missing");
        auto envelope = decode_envelope(m.view(5));
        if (!envelope) return fail(envelope.error());
        auto rows = rows_of(old_, num);
        if (rows.empty()) return fail(Errc::damaged, "its recipients are missing");
        for (const auto& row : rows) {
            auto r = from_row(row);
            if (!r) return fail(r.error());
            const auto last = tried_of(row);
            fresh_.run("INSERT INTO recipient VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", key_of(num, row.number),
                       row.domain, row.state, row.due, row.attempts, row.notified, Blob{row.address}, Blob{row.last},
                       last.reason, last.host);
        }
        if (auto whole = chunks(num, m.integer(2)); !whole) return whole;
        fresh_.run("INSERT INTO message VALUES(?, ?, ?, ?, ?, ?, ?)", num, m.view(0), m.integer(1), m.integer(2),
                   m.integer(3), m.view(4), Blob{m.view(5)});
        for (std::int64_t n = 0; const auto& json : attempts_of(old_, num))
            fresh_.run("INSERT INTO attempt VALUES(?, ?)", key_of(num, 0) + n++, json);
        return {};
    } catch (const SqlError& e) {
        if (!e.is_corrupt()) throw;
        return fail(e.error());
    }

    Result<void> chunks(std::int64_t num, std::int64_t size) {
        std::int64_t octets = 0;
        auto q = old_.query("SELECT key, crc, octets FROM chunk WHERE key BETWEEN ? AND ? ORDER BY key", key_of(num, 0),
                            key_of(num, 65535));
        while (q.row()) {
            if (crc32c(q.view(2)) != static_cast<std::uint32_t>(q.integer(1)))
                return fail(Errc::damaged, "its content fails its checksum");
            octets += static_cast<std::int64_t>(q.view(2).size());
            fresh_.run("INSERT INTO chunk VALUES(?, ?, ?)", q.integer(0), q.integer(1), Blob{q.view(2)});
        }
        if (octets != size) return fail(Errc::damaged, "a piece of its content is missing");
        return {};
    }

    Database& old_;
    Database& fresh_;
};

void copy_rest(Database& old, Database& fresh) {
    from_both_ends(old, "SELECT num, id, finished, data FROM history ORDER BY num",
                   "SELECT num, id, finished, data FROM history ORDER BY num DESC", [&](Query& q) {
                       fresh.run("INSERT OR IGNORE INTO history VALUES(?, ?, ?, ?)", q.integer(0), q.view(1),
                                 q.integer(2), Blob{q.view(3)});
                   });
    from_both_ends(old, "SELECT tbl, key, value FROM kv ORDER BY tbl, key",
                   "SELECT tbl, key, value FROM kv ORDER BY tbl DESC, key DESC", [&](Query& q) {
                       fresh.run("INSERT OR IGNORE INTO kv VALUES(?, ?, ?)", q.view(0), Blob{q.view(1)},
                                 Blob{q.view(2)});
                   });
    from_both_ends(old, "SELECT id, why FROM damaged ORDER BY id", "SELECT id, why FROM damaged ORDER BY id DESC",
                   [&](Query& q) { fresh.run("INSERT OR IGNORE INTO damaged VALUES(?, ?)", q.view(0), q.view(1)); });
}

std::string put_by(const Directory& directory) {
    std::string name;
    for (int n = 1; name.empty() || directory.has(name); ++n) name = "queue.db.damaged-" + std::to_string(n);
    for (const char* suffix : {"", "-wal"}) {
        std::error_code ec;
        std::filesystem::rename(directory.file(std::string("queue.db") + suffix), directory.file(name + suffix), ec);
    }
    std::error_code ec;
    std::filesystem::remove(directory.file("queue.db-shm"), ec); // a cache of the log, made anew
    return name;
}

} // namespace

bool sound(Database& db) {
    auto q = db.query("PRAGMA quick_check(1)");
    return q.row() && q.view(0) == "ok";
}

void rebuild_counts(Database& db) {
    db.execute("DELETE FROM domain; INSERT INTO domain SELECT domain, sum(state = 0), sum(state = 0 AND attempts > 0), "
               "sum(state = 5), min(iif(state = 0, due, 9223372036854775807)), '' FROM recipient WHERE state IN (0, 5) "
               "GROUP BY domain; UPDATE counter SET n = (SELECT count(*) FROM message) WHERE name = 'messages'; "
               "UPDATE counter SET n = (SELECT count(*) FROM history) WHERE name = 'finished'");
}

// Not even its list of tables: an empty queue in its place would pass for one that was delivered.
void refuse_unreadable(const Directory& directory, const std::string& vfs) {
    auto name = directory.file("queue.db");
    try {
        Database db(name, Database::Mode::read_only, vfs);
        (void)db.pragma("schema_version");
        auto q = db.query("SELECT count(*) FROM sqlite_schema");
        (void)q.row();
    } catch (const SqlError& e) {
        if (!e.is_corrupt()) throw;
        SqlError said{e.code, name + ": " + e.detail +
                                  "; nothing of it can be read. Restore it from a copy, or move it "
                                  "away to begin with an empty queue"};
        throw said;
    }
}

void salvage(const Directory& directory, const std::string& vfs, std::vector<std::string>& problems) {
    refuse_unreadable(directory, vfs);
    auto kept = put_by(directory);
    auto name = directory.file("queue.db.salvage");
    std::error_code ec;
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(name + suffix, ec);
    std::size_t saved = 0;
    {
        Database fresh(name, Database::Mode::read_write, vfs);
        create_schema(fresh);
        fresh.execute("BEGIN IMMEDIATE");
        Database old(directory.file(kept), Database::Mode::read_only, vfs);
        Copier copier(old, fresh);
        for (const auto& [num, id] : find_messages(old).messages) {
            auto done = copier.message(num);
            if (done) ++saved;
            if (done) continue;
            auto who = id.empty() ? "message number " + std::to_string(num) : id;
            fresh.run("INSERT OR REPLACE INTO damaged VALUES(?, ?)", who, done.error().detail + " (in " + kept + ")");
        }
        copy_rest(old, fresh);
        rebuild_counts(fresh);
        fresh.execute("COMMIT");
    } // closing empties the log
    std::filesystem::rename(name, directory.file("queue.db"), ec);
    if (ec) {
        SqlError e{SQLITE_IOERR, "renaming " + name + ": " + ec.message()};
        throw e;
    }
    directory.unmark(damage_mark);
    problems.push_back("the queue's database was damaged: " + std::to_string(saved) +
                       " messages saved, the broken file is kept as " + directory.file(kept));
}

// Messages that are damaged inside a sound file: envelopes, recipients, missing or rotten content.
void Embedded::set_damaged_aside() {
    auto pages = db_.pragma("page_count");
    if (static_cast<Bytes>(pages) * 4096 <= checked_at_start || directory_.has(damage_mark)) {
        std::vector<SetAsideWork> found;
        auto q = db_.query("SELECT num, id, envelope, size FROM message WHERE id NOT IN (SELECT id FROM damaged)");
        while (q.row()) {
            auto message = message_of(db_, q.integer(0), q.view(2));
            auto why = message ? content_damage(q.integer(0), q.integer(3)) : message.error().detail;
            if (!why.empty()) found.push_back({q.text(1), why});
        }
        Batch batch;
        begin(true);
        for (auto& work : found) (void)apply(work, batch);
        finish_batch(batch);
        db_.run("COMMIT");
        directory_.unmark(damage_mark);
        sqlite3_db_release_memory(db_.handle()); // what rots from now on must not hide behind pages read by this check
    }
    auto damaged = db_.query("SELECT id, why FROM damaged ORDER BY id LIMIT ?", damage_told);
    while (damaged.row()) aside_.push_back(damaged.text(0) + ": " + damaged.text(1));
}

std::string Embedded::content_damage(std::int64_t num, std::int64_t size) {
    std::int64_t octets = 0;
    auto q = db_.query("SELECT crc, octets FROM chunk WHERE key BETWEEN ? AND ?", key_of(num, 0), key_of(num, 65535));
    while (q.row()) {
        if (crc32c(q.view(1)) != static_cast<std::uint32_t>(q.integer(0))) return "its content fails its checksum";
        octets += static_cast<std::int64_t>(q.view(1).size());
    }
    return octets == size ? "" : "a piece of its content is missing";
}

} // namespace danelaw::store
