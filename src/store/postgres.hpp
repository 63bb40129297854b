// libpq behind three small types: a connection, the parameters of a statement, the rows of an answer. Everything
// travels in binary. Errors are thrown within this module only, as with SQLite: they end a transaction.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"

#include <cstdint>
#include <libpq-fe.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace danelaw::store {

struct PgError {
    Errc code = Errc::unavailable;
    std::string detail;
    Error error() const { return {code, detail}; }
};

class Params {
  public:
    Params& number(std::int64_t v);
    Params& text(std::string_view v);
    Params& octets(std::string_view v);
    Params& null();
    Params& numbers(std::span<const std::int64_t> v);   // bigint[]
    Params& texts(std::span<const std::string> v);      // text[]
    Params& blobs(std::span<const std::string_view> v); // bytea[]
    int count() const { return static_cast<int>(values_.size()); }
    std::vector<const char*> pointers() const;
    const std::vector<int>& lengths() const { return lengths_; }
    const std::vector<int>& formats() const { return formats_; }

  private:
    Params& put(std::string bytes);
    std::vector<std::string> values_;
    std::vector<int> lengths_, formats_;
    std::vector<bool> nulls_;
};

class Rows {
  public:
    explicit Rows(PGresult* result) : result_(result) {}
    int size() const { return PQntuples(result_.get()); }
    int affected() const;
    bool null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
    std::int64_t number(int row, int column) const; // bigint, integer, smallint or boolean
    std::string_view view(int row, int column) const;
    std::string text(int row, int column) const { return std::string(view(row, column)); }
    std::vector<std::int64_t> numbers(int row, int column) const; // bigint[] or integer[]

  private:
    struct Clear {
        void operator()(PGresult* r) const { PQclear(r); }
    };
    std::unique_ptr<PGresult, Clear> result_;
};

// Throws PgError (config) where no server need be asked.
void check_conninfo(const std::string& conninfo);

class PgConnection {
  public:
    explicit PgConnection(const std::string& conninfo);
    PgConnection(const PgConnection&) = delete;
    PgConnection& operator=(const PgConnection&) = delete;
    ~PgConnection();

    // So long an answer is waited for; then the connection is broken, and the answer unknown.
    void set_limit(Millis limit) { limit_ = limit; }
    void execute(const char* sql); // several statements
    // `sql` is a literal: its address is the key of the prepared statement.
    Rows query(const char* sql, const Params& params = {});
    Rows query_once(const std::string& sql, const Params& params); // made up for this call, not prepared
    void prepare(const char* sql);

    // Pipeline: send() any number of prepared statements without waiting, then receive() an answer for each, in order.
    void begin_pipeline();
    void send(const char* sql, const Params& params = {});
    void flush(); // the end of what was sent
    Rows receive();
    void end_pipeline() noexcept; // drops what was not received

    bool alive() const { return PQstatus(connection_) == CONNECTION_OK; }
    bool in_transaction() const { return PQtransactionStatus(connection_) != PQTRANS_IDLE; }

  private:
    Rows checked(PGresult* result);
    PGresult* next(); // waits within the limit
    Rows last();      // of a statement's answers
    void sent(int done);
    PGconn* connection_ = nullptr;
    Millis limit_ = Millis::max();
    std::unordered_map<const char*, std::string> prepared_;
};

} // namespace danelaw::store
