// Connecting to the shared store: schema under an advisory lock, one relay a name, and again after the server was away.
#include "grouped.hpp"
#include "shared.hpp"

#include "danelaw/base/random.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr std::int64_t schema_lock = 0x444E4C57'00000000; // "DNLW"

std::int64_t owner_lock(const std::string& owner) {
    return static_cast<std::int64_t>(std::hash<std::string>{}(owner) >> 2U);
}

} // namespace

std::unique_ptr<PgConnection> connect_shared(const std::string& conninfo) {
    auto c = std::make_unique<PgConnection>(conninfo);
    c->execute("SET client_encoding = 'UTF8'; SET synchronous_commit = on; SET standard_conforming_strings = on; "
               "SET search_path = danelaw; SET client_min_messages = warning; SET statement_timeout = '60s'; "
               "SET idle_in_transaction_session_timeout = '60s'");
    return c;
}

Shared::Shared(PostgresOptions options) : options_(std::move(options)) {
    if (options_.owner.empty()) options_.owner = "relay-" + random_token(8);
    auto c = connect_shared(options_.conninfo);
    create_or_check(*c);
    c.reset();
    connect();
}

Shared::~Shared() {
    try {
        if (connection_ && connection_->alive())
            connection_->query("UPDATE recipient SET owner = NULL, lease = NULL WHERE owner = $1::text",
                               Params().text(options_.owner));
    } catch (const PgError&) {
    } // NOLINT: they run out by themselves
}

// Two relays starting at once: one makes the schema, the other waits and finds it (DQ-064: a newer one is not touched).
void Shared::create_or_check(PgConnection& c) {
    c.query("SELECT pg_advisory_lock($1::bigint)", Params().number(schema_lock));
    auto there = c.query("SELECT to_regclass('danelaw.meta') IS NOT NULL");
    if (there.number(0, 0) == 0) {
        std::string all = std::string("BEGIN; CREATE SCHEMA IF NOT EXISTS danelaw; ") + shared_schema + "COMMIT";
        c.execute(all.c_str());
    }
    auto version = c.query("SELECT version FROM meta");
    c.query("SELECT pg_advisory_unlock($1::bigint)", Params().number(schema_lock));
    if (version.size() == 1 && version.number(0, 0) == shared_version) return;
    PgError e{Errc::config, "PostgreSQL: the queue's schema has version " +
                                (version.size() == 1 ? std::to_string(version.number(0, 0)) : std::string("unknown")) +
                                ", this program knows " + std::to_string(shared_version)};
    throw e;
}

// What this name had leased before belongs to nobody now: its process is gone, since the name is locked.
void Shared::connect() {
    auto c = connect_shared(options_.conninfo);
    auto mine = c->query("SELECT pg_try_advisory_lock($1::bigint)", Params().number(owner_lock(options_.owner)));
    if (mine.number(0, 0) == 0) {
        PgError e{Errc::unavailable, "another relay named " + options_.owner + " uses this queue"};
        throw e;
    }
    bool first = backoff_ == Millis{} && !connection_;
    if (first)
        c->query("UPDATE recipient SET owner = NULL, lease = NULL WHERE owner = $1::text",
                 Params().text(options_.owner));
    connection_ = std::move(c);
    backoff_ = Millis{};
}

PgConnection& Shared::connection() {
    if (connection_ && connection_->alive()) return *connection_;
    if (Steady::now() < next_try_) {
        PgError e{Errc::unavailable, "PostgreSQL is away"};
        throw e;
    }
    backoff_ = std::clamp<Millis>(backoff_ * 2, Millis(100), Millis(5000));
    next_try_ = Steady::now() + backoff_;
    connection_.reset();
    connect();
    return *connection_;
}

void Shared::lost(const PgError&) {
    if (!connection_) return;
    connection_->end_pipeline();
    try {
        if (connection_->alive() && connection_->in_transaction()) connection_->execute("ROLLBACK");
    } catch (const PgError&) {
        connection_.reset();
    }
    if (connection_ && !connection_->alive()) connection_.reset();
}

Result<Opened> open_shared(PostgresOptions options) {
    Opened opened;
    Bytes recent = options.recent;
    try {
        opened.queue = std::make_unique<GroupedQueue>(std::make_unique<Shared>(std::move(options)), recent);
    } catch (const PgError& e) {
        return fail(e.error());
    }
    return opened;
}

} // namespace danelaw::store
