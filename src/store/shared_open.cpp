// Connecting to the shared store: schema under an advisory lock, and again after the server was away, when what it
// holds for us is compared with what we know.
#include "grouped.hpp"
#include "shared.hpp"

#include "danelaw/base/random.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr std::int64_t schema_lock = 0x444E4C57'00000000; // "DNLW"

constexpr auto answer_limit = std::chrono::seconds(75); // later than the server's own limit

[[noreturn]] void refuse(std::string detail) {
    PgError e{Errc::config, "PostgreSQL: " + std::move(detail)};
    throw e;
}

std::int64_t version_of(PgConnection& c) {
    auto rows = c.query("SELECT version FROM meta");
    if (rows.size() != 1) refuse("the queue's schema has no version");
    return rows.number(0, 0);
}

void refuse_newer(std::int64_t version) {
    if (version > shared_version)
        refuse("the queue's schema has version " + std::to_string(version) + ", this program knows " +
               std::to_string(shared_version) + "; a newer Danelaw works on this queue");
}

} // namespace

std::unique_ptr<PgConnection> connect_shared(const std::string& conninfo) {
    auto c = std::make_unique<PgConnection>(conninfo);
    c->execute("SET client_encoding = 'UTF8'; SET synchronous_commit = on; SET standard_conforming_strings = on; "
               "SET search_path = danelaw; SET client_min_messages = warning; SET statement_timeout = '60s'; "
               "SET idle_in_transaction_session_timeout = '60s'");
    c->set_limit(answer_limit);
    return c;
}

Shared::Shared(PostgresOptions options) : options_(std::move(options)) {
    if (options_.owner.empty()) options_.owner = "relay-" + random_token(8);
    auto c = connect_shared(options_.conninfo);
    migrate_schema(*c);
    // An earlier process of this name is gone: what it held belongs to nobody now.
    c->query("UPDATE recipient SET owner = NULL, lease = NULL WHERE owner = $1::text", Params().text(options_.owner));
    c.reset();
    heartbeat_ = std::make_unique<Heartbeat>(options_.conninfo, options_.owner, options_.lease);
    connect();
}

Shared::~Shared() {
    heartbeat_.reset();
    try {
        auto& c = connection();
        c.query("UPDATE recipient SET owner = NULL, lease = NULL WHERE owner = $1::text",
                Params().text(options_.owner));
        c.query("DELETE FROM relay WHERE owner = $1::text", Params().text(options_.owner));
        c.query("DELETE FROM duty WHERE owner = $1::text", Params().text(options_.owner));
    } catch (const PgError&) { // NOLINT(bugprone-empty-catch): the others find out by themselves
    }
}

void check_version(PgConnection& c) {
    const auto version = version_of(c);
    refuse_newer(version);
    if (version != shared_version) refuse("the queue's schema was changed while this relay was running");
}

// Two relays starting at once: one makes the schema, the other waits and finds it. DQ-064: a newer one is not touched.
void migrate_schema(PgConnection& c) {
    c.execute("SET statement_timeout = 0"); // a new index on a large queue takes its time
    c.set_limit(Millis::max());
    c.query("SELECT pg_advisory_lock($1::bigint)", Params().number(schema_lock));
    if (c.query("SELECT to_regclass('danelaw.meta') IS NOT NULL").number(0, 0) == 0)
        c.execute((std::string("BEGIN; CREATE SCHEMA IF NOT EXISTS danelaw; ") + shared_step(1) + "COMMIT").c_str());
    const auto there = version_of(c);
    refuse_newer(there);
    if (there < shared_version) {
        // Version 0 is one that was just made.
        const bool beats = there >= 2;
        if (beats && c.query("SELECT count(*) FROM relay WHERE seen > clock_timestamp() - lease * interval '1 "
                             "millisecond'")
                             .number(0, 0) > 0)
            refuse("relays of an older version work on this queue; stop them, then start this one");
        std::string all = "BEGIN; ";
        for (auto v = std::max<std::int64_t>(there, 1) + 1; v <= shared_version; ++v) all += shared_step(v);
        all += "DO $$ DECLARE f text; BEGIN FOR f IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON "
               "n.oid = p.pronamespace WHERE n.nspname = 'danelaw' LOOP EXECUTE 'DROP FUNCTION ' || f; END LOOP; END "
               "$$; ";
        all += shared_functions;
        all += "UPDATE meta SET version = " + std::to_string(shared_version) + "; COMMIT";
        c.execute(all.c_str());
    }
    c.query("SELECT pg_advisory_unlock($1::bigint)", Params().number(schema_lock));
}

void Shared::connect() {
    auto c = connect_shared(options_.conninfo);
    // The writer touches few rows of a table that grows and shrinks faster than the server counts it: always by index,
    // never by a plan for the table as it was.
    c->execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin "
               "= off; SET jit = off");
    check_version(*c);
    connection_ = std::move(c);
    backoff_ = Millis{};
}

PgConnection& Shared::connection() {
    if (connection_ && connection_->alive()) {
        if (doubt_) reconcile(*connection_);
        return *connection_;
    }
    if (Steady::now() < next_try_) {
        PgError e{Errc::unavailable, "PostgreSQL is away"};
        throw e;
    }
    backoff_ = std::clamp<Millis>(backoff_ * 2, Millis(100), Millis(5000));
    next_try_ = Steady::now() + backoff_;
    connection_.reset();
    connect();
    if (doubt_) reconcile(*connection_);
    return *connection_;
}

// After an answer was lost. Mail that was refused because of it must not go out later (DQ-002); what is ours on the
// server and not here would wait for ever.
void Shared::reconcile(PgConnection& c) {
    c.query(
        "WITH gone AS (DELETE FROM message m WHERE id = ANY($1::text[]) AND finished IS NULL AND NOT EXISTS (SELECT "
        "1 FROM recipient r WHERE r.id = m.id AND (r.attempts > 0 OR r.owner IS NOT NULL AND r.owner <> "
        "$2::text)) RETURNING id), k AS (DELETE FROM chunk WHERE id IN (SELECT id FROM gone)), a AS (DELETE FROM "
        "attempt WHERE id IN (SELECT id FROM gone)) DELETE FROM recipient WHERE id IN (SELECT id FROM gone)",
        Params().texts(unsure_).text(options_.owner));
    unsure_.clear();
    auto rows = c.query("SELECT id, number, fence FROM recipient WHERE owner = $1::text AND lease IS NULL",
                        Params().text(options_.owner));
    std::vector<Job> unknown;
    for (int i = 0; i < rows.size(); ++i) {
        const auto id = rows.text(i, 0);
        const auto number = static_cast<std::uint32_t>(rows.number(i, 1));
        if (claims_.has(claim_key(id), number)) continue;
        Job job;
        job.id = id;
        job.recipients = {number};
        job.fence = static_cast<std::uint64_t>(rows.number(i, 2));
        unknown.push_back(std::move(job));
    }
    if (!unknown.empty()) release(c, unknown);
    doubt_ = false;
}

std::vector<std::string> Shared::known_damage() {
    std::vector<std::string> told;
    auto rows = connection().query("SELECT id, why FROM damaged ORDER BY id LIMIT $1::bigint",
                                   Params().number(static_cast<std::int64_t>(damage_told)));
    for (int i = 0; i < rows.size(); ++i) told.push_back(rows.text(i, 0) + ": " + rows.text(i, 1));
    return told;
}

void Shared::lost(const PgError&) {
    doubt_ = true;
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
        check_conninfo(options.conninfo);
        opened.queue = std::make_unique<GroupedQueue>(std::make_unique<Shared>(std::move(options)), recent);
    } catch (const PgError& e) {
        return fail(e.error());
    }
    return opened;
}

} // namespace danelaw::store
