// The wire forms of numbers, texts and arrays, and what an SQLSTATE means for us.
#include "postgres.hpp"

#include <cstdlib>
#include <cstring>

namespace danelaw::store {
namespace {

constexpr std::uint32_t oid_bytea = 17, oid_int8 = 20, oid_text = 25;

std::string big_endian(std::uint64_t v, int octets) {
    std::string out;
    for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((v >> shift) & 0xFFU));
    return out;
}

std::uint64_t from_big_endian(std::string_view bytes) {
    std::uint64_t v = 0;
    for (char c : bytes) v = v << 8U | static_cast<unsigned char>(c);
    return v;
}

std::int64_t signed_from(std::string_view bytes) {
    auto v = from_big_endian(bytes);
    if (bytes.size() == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(v));
    if (bytes.size() == 2) return static_cast<std::int16_t>(static_cast<std::uint16_t>(v));
    return static_cast<std::int64_t>(v);
}

// One dimension, no nulls.
template <class List> std::string array(const List& list, std::uint32_t oid) {
    std::string out = big_endian(list.empty() ? 0 : 1, 4) + big_endian(0, 4) + big_endian(oid, 4);
    if (list.empty()) return out;
    out += big_endian(list.size(), 4) + big_endian(1, 4);
    for (const auto& item : list) {
        if constexpr (std::is_integral_v<std::decay_t<decltype(item)>>) {
            out += big_endian(8, 4) + big_endian(static_cast<std::uint64_t>(item), 8);
        } else {
            out += big_endian(item.size(), 4);
            out.append(item);
        }
    }
    return out;
}

Errc code_of(const char* state) {
    std::string_view s = state == nullptr ? "" : state;
    auto starts = [s](std::string_view prefix) { return s.substr(0, prefix.size()) == prefix; };
    if (s == "53100" || s == "53000") return Errc::full;  // disk full
    if (starts("23") || starts("22")) return Errc::limit; // constraint, data
    if (starts("XX") || starts("42")) return Errc::io;    // broken data, broken SQL
    if (starts("40")) return Errc::io;                    // deadlock, serialisation: tried again one by one
    return Errc::unavailable;                             // connection, shutdown, read-only, out of resources
}

} // namespace

Params& Params::put(std::string bytes) {
    lengths_.push_back(static_cast<int>(bytes.size()));
    values_.push_back(std::move(bytes));
    formats_.push_back(1);
    nulls_.push_back(false);
    return *this;
}
Params& Params::number(std::int64_t v) {
    return put(big_endian(static_cast<std::uint64_t>(v), 8));
}
Params& Params::text(std::string_view v) {
    return put(std::string(v));
}
Params& Params::octets(std::string_view v) {
    return put(std::string(v));
}
Params& Params::null() {
    put({});
    nulls_.back() = true;
    return *this;
}
Params& Params::numbers(std::span<const std::int64_t> v) {
    return put(array(v, oid_int8));
}
Params& Params::texts(std::span<const std::string> v) {
    return put(array(v, oid_text));
}
Params& Params::blobs(std::span<const std::string_view> v) {
    return put(array(v, oid_bytea));
}

std::vector<const char*> Params::pointers() const {
    std::vector<const char*> out;
    for (std::size_t i = 0; i < values_.size(); ++i) out.push_back(nulls_[i] ? nullptr : values_[i].data());
    return out;
}

int Rows::affected() const {
    return std::atoi(PQcmdTuples(result_.get()));
}

std::string_view Rows::view(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t Rows::number(int row, int column) const {
    return signed_from(view(row, column));
}

std::vector<std::int64_t> Rows::numbers(int row, int column) const {
    std::vector<std::int64_t> out;
    auto rest = view(row, column);
    if (null(row, column) || rest.size() < 20) return out; // no dimension: empty
    auto count = from_big_endian(rest.substr(12, 4));
    rest.remove_prefix(20);
    for (; count > 0 && rest.size() >= 4; --count) {
        auto length = from_big_endian(rest.substr(0, 4));
        out.push_back(signed_from(rest.substr(4, length)));
        rest.remove_prefix(4 + length);
    }
    return out;
}

PgConnection::PgConnection(const std::string& conninfo) {
    // A server that answers no more must not hold the queue: what is said in conninfo comes later and wins.
    const char* keys[] = {"connect_timeout",  "keepalives_idle", "tcp_user_timeout",
                          "application_name", "dbname",          nullptr};
    const char* values[] = {"5", "30", "60000", "danelaw", conninfo.c_str(), nullptr};
    connection_ = PQconnectdbParams(keys, values, 1);
    if (alive()) {
        PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
        return;
    }
    PgError e{Errc::unavailable, std::string("PostgreSQL: ") + PQerrorMessage(connection_)};
    PQfinish(connection_);
    throw e;
}

PgConnection::~PgConnection() {
    PQfinish(connection_);
}

Rows PgConnection::checked(PGresult* result) {
    Rows rows(result);
    auto status = PQresultStatus(result);
    if (result != nullptr && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)) return rows;
    PgError e{alive() && result != nullptr ? code_of(PQresultErrorField(result, PG_DIAG_SQLSTATE)) : Errc::unavailable,
              std::string("PostgreSQL: ") + (result != nullptr && *PQresultErrorMessage(result) != 0
                                                 ? PQresultErrorMessage(result)
                                                 : PQerrorMessage(connection_))};
    throw e;
}

void PgConnection::execute(const char* sql) {
    checked(PQexec(connection_, sql));
}

void PgConnection::prepare(const char* sql) {
    if (prepared_.contains(sql)) return;
    auto name = "s" + std::to_string(prepared_.size());
    checked(PQprepare(connection_, name.c_str(), sql, 0, nullptr));
    prepared_.emplace(sql, std::move(name));
}

Rows PgConnection::query(const char* sql, const Params& p) {
    prepare(sql);
    auto pointers = p.pointers();
    return checked(PQexecPrepared(connection_, prepared_[sql].c_str(), p.count(), pointers.data(), p.lengths().data(),
                                  p.formats().data(), 1));
}

Rows PgConnection::query_once(const std::string& sql, const Params& p) {
    auto pointers = p.pointers();
    return checked(PQexecParams(connection_, sql.c_str(), p.count(), nullptr, pointers.data(), p.lengths().data(),
                                p.formats().data(), 1));
}

void PgConnection::begin_pipeline() {
    if (PQenterPipelineMode(connection_) == 1) return;
    PgError e{Errc::unavailable, "PostgreSQL: the connection is busy"};
    throw e;
}

void PgConnection::send(const char* sql, const Params& p) {
    auto pointers = p.pointers();
    if (PQsendQueryPrepared(connection_, prepared_.at(sql).c_str(), p.count(), pointers.data(), p.lengths().data(),
                            p.formats().data(), 1) == 1)
        return;
    PgError e{Errc::unavailable, std::string("PostgreSQL: ") + PQerrorMessage(connection_)};
    throw e;
}

void PgConnection::flush() {
    if (PQpipelineSync(connection_) == 1) return;
    PgError e{Errc::unavailable, std::string("PostgreSQL: ") + PQerrorMessage(connection_)};
    throw e;
}

Rows PgConnection::receive() {
    PGresult* result = PQgetResult(connection_);
    PQclear(PQgetResult(connection_)); // the null that ends a statement's answers
    return checked(result);
}

void PgConnection::end_pipeline() noexcept {
    while (alive() && PQpipelineStatus(connection_) != PQ_PIPELINE_OFF) {
        if (PQexitPipelineMode(connection_) == 1) return;
        PGresult* result = PQgetResult(connection_);
        PQclear(result);
    }
}

} // namespace danelaw::store
