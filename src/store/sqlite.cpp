// Errors, statements and connections of SQLite.
#include "sqlite.hpp"

namespace danelaw::store {
namespace {

[[noreturn]] void raise(sqlite3* db, const char* what) {
    SqlError e{db != nullptr ? sqlite3_extended_errcode(db) : SQLITE_NOMEM,
               std::string(what) + ": " + (db != nullptr ? sqlite3_errmsg(db) : "out of memory")};
    throw e; // NOLINT: private to the module, see the header
}

} // namespace

Error SqlError::error() const {
    if (code == SQLITE_IOERR_SHMSIZE) return Error{Errc::full, detail}; // the wal-index could not grow
    switch (code & 0xFF) {
    case SQLITE_FULL: return Error{Errc::full, detail};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Error{Errc::damaged, detail};
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG: return Error{Errc::limit, detail};
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Error{Errc::unavailable, detail};
    default: return Error{Errc::io, detail};
    }
}

bool SqlError::is_sync() const {
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC || code == SQLITE_IOERR_CLOSE;
}

bool SqlError::is_corrupt() const {
    return (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB;
}

Query::~Query() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

bool Query::row() {
    switch (sqlite3_step(statement_)) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: raise(sqlite3_db_handle(statement_), "database");
    }
}

std::string_view Query::view(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string_view() : std::string_view(data, size);
}

Database::Database(const std::string& path, Mode mode, const std::string& vfs) {
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE; // readers too: the wal-index is shared memory
    if (mode == Mode::read_write) flags |= SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(path.c_str(), &handle_, flags, vfs.empty() ? nullptr : vfs.c_str());
    if (rc != SQLITE_OK) {
        SqlError e{rc, path + ": " + (handle_ != nullptr ? sqlite3_errmsg(handle_) : "out of memory")};
        sqlite3_close(handle_);
        throw e;
    }
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_busy_timeout(handle_, 5000);
}

Database::~Database() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(handle_);
}

void Database::execute(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) raise(handle_, "database");
}

std::int64_t Database::pragma(const char* name) {
    std::string sql = std::string("PRAGMA ") + name;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) raise(handle_, name);
    int rc = sqlite3_step(statement);
    std::int64_t value = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) raise(handle_, name);
    return value;
}

sqlite3_stmt* Database::prepare(const char* sql) {
    auto [it, fresh] = statements_.try_emplace(sql, nullptr);
    if (it->second != nullptr) {
        DANELAW_CHECK(sqlite3_stmt_busy(it->second) == 0);
        return it->second;
    }
    if (sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &it->second, nullptr) != SQLITE_OK) {
        statements_.erase(it);
        raise(handle_, sql);
    }
    return it->second;
}

} // namespace danelaw::store
