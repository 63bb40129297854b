// SQLite behind three small types: a connection, a statement in use, and the error that ends a transaction.
// Errors are thrown within this module only: any step of a transaction may fail and then all of it is abandoned. The
// backend's and view's entry points turn them into Result.
#pragma once

#include "danelaw/base/result.hpp"

#include <cstdint>
#include <sqlite3.h>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>

namespace danelaw::store {

struct SqlError {
    int code = 0; // extended SQLite code
    std::string detail;
    Error error() const;     // FULL → full, CORRUPT → damaged, CONSTRAINT → limit …
    bool is_sync() const;    // an fsync failed: the write is lost, and a second try would lie (DQ-003)
    bool is_corrupt() const; // the file's structure is broken
};

struct Blob {
    std::string_view octets;
};

// A prepared statement from the connection's cache, bound; reset when it goes out of scope.
class Query {
  public:
    explicit Query(sqlite3_stmt* statement) : statement_(statement) {}
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;
    ~Query();

    bool row(); // steps
    std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
    std::string_view view(int column) const; // valid until the next row()
    std::string text(int column) const { return std::string(view(column)); }
    bool null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

  private:
    sqlite3_stmt* statement_;
};

class Database {
  public:
    enum class Mode { read_write, read_only };
    Database(const std::string& path, Mode mode, const std::string& vfs);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    void execute(const char* sql); // several statements, not cached
    std::int64_t pragma(const char* name);

    // `sql` is a literal: its address is the key of the statement cache. Text and blobs are not copied.
    template <class... Args> Query query(const char* sql, const Args&... args) { return Query(bound(sql, args...)); }
    template <class... Args> void run(const char* sql, const Args&... args) {
        Query q(bound(sql, args...));
        while (q.row()) {
        }
    }
    bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }
    int changes() const { return sqlite3_changes(handle_); }
    sqlite3* handle() { return handle_; }

  private:
    sqlite3_stmt* prepare(const char* sql);
    template <class... Args> sqlite3_stmt* bound(const char* sql, const Args&... args) {
        sqlite3_stmt* s = prepare(sql);
        int at = 0;
        (bind_one(s, ++at, args), ...);
        return s;
    }
    template <class T> static void bind_one(sqlite3_stmt* s, int at, const T& v) {
        if constexpr (std::is_integral_v<T>) {
            sqlite3_bind_int64(s, at, static_cast<std::int64_t>(v));
        } else if constexpr (std::is_same_v<T, Blob>) {
            sqlite3_bind_blob64(s, at, v.octets.data() == nullptr ? "" : v.octets.data(), v.octets.size(),
                                SQLITE_STATIC);
        } else {
            std::string_view text(v);
            sqlite3_bind_text64(s, at, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                                SQLITE_UTF8);
        }
    }

    sqlite3* handle_ = nullptr;
    std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

} // namespace danelaw::store
