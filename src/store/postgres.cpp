// The wire forms of numbers, texts and arrays, and what an SQLSTATE means for us.
#include "postgres.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

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

void check_conninfo(const std::string& conninfo) {
    char* why = nullptr;
    PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), &why);
    if (options != nullptr) return PQconninfoFree(options);
    PgError e{Errc::config, std::string("queue.postgres: ") + (why != nullptr ? why : "out of memory")};
    PQfreemem(why);
    while (e.detail.ends_with('\n')) e.detail.pop_back();
    throw e;
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

void PgConnection::sent(int done) {
    if (done == 1) return;
    PgError e{Errc::unavailable, std::string("PostgreSQL: ") + PQerrorMessage(connection_)};
    throw e;
}

PGresult* PgConnection::next() {
    using Clock = std::chrono::steady_clock;
    const auto began = Clock::now();
    while (PQisBusy(connection_) == 1) {
        int wait = -1;
        if (limit_ != Millis::max()) {
            const auto left = std::chrono::ceil<Millis>(limit_ - (Clock::now() - began)).count();
            wait = static_cast<int>(std::max<std::int64_t>(0, left));
        }
        pollfd socket{PQsocket(connection_), POLLIN, 0};
        const int ready = ::poll(&socket, 1, wait);
        if (ready == 0) {
            ::shutdown(PQsocket(connection_), SHUT_RDWR); // what comes later must not be taken for another answer
            (void)PQconsumeInput(connection_);
            PgError e{Errc::unavailable, "PostgreSQL does not answer"};
            throw e;
        }
        if (ready > 0 && PQconsumeInput(connection_) == 0) break; // the result tells why
    }
    return PQgetResult(connection_);
}

Rows PgConnection::last() {
    PGresult* result = next();
    while (PGresult* more = next()) {
        const bool broken = PQresultStatus(result) == PGRES_FATAL_ERROR; // the first error is the one to be told
        PQclear(broken ? more : result);
        if (!broken) result = more;
    }
    return checked(result);
}

void PgConnection::execute(const char* sql) {
    sent(PQsendQuery(connection_, sql));
    last();
}

void PgConnection::prepare(const char* sql) {
    if (prepared_.contains(sql)) return;
    auto name = "s" + std::to_string(prepared_.size());
    sent(PQsendPrepare(connection_, name.c_str(), sql, 0, nullptr));
    last();
    prepared_.emplace(sql, std::move(name));
}

Rows PgConnection::query(const char* sql, const Params& p) {
    prepare(sql);
    auto pointers = p.pointers();
    sent(PQsendQueryPrepared(connection_, prepared_[sql].c_str(), p.count(), pointers.data(), p.lengths().data(),
                             p.formats().data(), 1));
    return last();
}

Rows PgConnection::query_once(const std::string& sql, const Params& p) {
    auto pointers = p.pointers();
    sent(PQsendQueryParams(connection_, sql.c_str(), p.count(), nullptr, pointers.data(), p.lengths().data(),
                           p.formats().data(), 1));
    return last();
}

void PgConnection::begin_pipeline() {
    if (PQenterPipelineMode(connection_) == 1) return;
    PgError e{Errc::unavailable, "PostgreSQL: the connection is busy"};
    throw e;
}

void PgConnection::send(const char* sql, const Params& p) {
    auto pointers = p.pointers();
    sent(PQsendQueryPrepared(connection_, prepared_.at(sql).c_str(), p.count(), pointers.data(), p.lengths().data(),
                             p.formats().data(), 1));
}

void PgConnection::flush() {
    sent(PQpipelineSync(connection_));
}

Rows PgConnection::receive() {
    PGresult* result = next();
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
