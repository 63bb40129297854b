// One batch, one transaction, one fsync.
#include "embedded.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr int checkpoint_frames = 4000; // measured: checkpoints of 16 MiB keep the worst commit near 10 ms

bool is_durable(const Work& work) {
    return !std::holds_alternative<AppendWork>(work) && !std::holds_alternative<DiscardWork>(work);
}

} // namespace

void Batch::count(const RecipientRow& row, std::int64_t sign) {
    auto& delta = domains[row.domain];
    if (row.state == code(message::RecipientState::queued)) {
        delta.queued += sign;
        if (row.attempts > 0) delta.deferred += sign;
    } else if (row.state == code(message::RecipientState::held)) {
        delta.held += sign;
    }
}

template <class W> Result<void> Embedded::apply(W&, Batch&) {
    return fail(Errc::io, "not a write");
}

Result<void> Embedded::commit(std::span<Op* const> ops) {
    if (failed_) return fail(Errc::unavailable, "the store has failed; it takes no writes until a restart");
    Batch batch;
    try {
        begin(std::ranges::any_of(ops, [](const Op* op) { return is_durable(op->work); }));
        for (Op* op : ops) {
            auto one = [&](auto& work) { return apply(work, batch); };
            if (auto done = std::visit(one, op->work); !done) op->error = done.error();
        }
        finish_batch(batch);
        db_.run("COMMIT");
    } catch (const SqlError& e) {
        auto error = broken(e);
        if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
        return fail(error);
    }
    committed(batch);
    checkpoint_if_large();
    return {};
}

// A message still arriving need not be synced: the commit that adds it syncs the log up to there.
void Embedded::begin(bool durable) {
    if (durable != durable_) db_.execute(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    durable_ = durable;
    db_.run("BEGIN IMMEDIATE");
}

void Embedded::finish_batch(Batch& batch) {
    for (const auto& [name, delta] : batch.domains) update_domain(name, delta);
    if (batch.messages != 0) db_.run("UPDATE counter SET n = n + ? WHERE name = 'messages'", batch.messages);
    auto most = static_cast<std::int64_t>(options_.traces_most);
    if (batch.finished > 0 && finished_ + batch.finished > most) { // busy for long: don't wait for an idle moment
        auto excess = std::min(finished_ + batch.finished - most, 2 * batch.finished + 16);
        db_.run("DELETE FROM history WHERE num IN (SELECT num FROM history ORDER BY num LIMIT ?)", excess);
        batch.finished -= db_.changes();
    }
    if (batch.finished != 0) db_.run("UPDATE counter SET n = n + ? WHERE name = 'finished'", batch.finished);
}

void Embedded::update_domain(const std::string& name, const Batch::Delta& d) {
    std::int64_t due = never;
    {
        auto q = db_.query("SELECT due FROM recipient INDEXED BY recipient_due WHERE domain = ? AND state = 0 "
                           "ORDER BY due LIMIT 1",
                           name);
        if (q.row()) due = q.integer(0);
    }
    db_.run("INSERT INTO domain VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(name) DO UPDATE SET queued = queued + ?2, "
            "deferred = deferred + ?3, held = held + ?4, due = ?5, reason = iif(?6 = '', reason, ?6)",
            name, d.queued, d.deferred, d.held, due, d.reason);
    if (d.queued < 0 || d.held < 0) db_.run("DELETE FROM domain WHERE name = ? AND queued <= 0 AND held <= 0", name);
}

void Embedded::committed(const Batch& batch) {
    finished_ += batch.finished;
    for (const auto& [num, number] : batch.released) claims_.release(num, number);
    for (const auto& claim : batch.claims) claims_.claim(claim.num, claim.domain, claim.recipients);
    for (const auto& [name, delta] : batch.domains) claims_.forget_next_due(name);
    for (const auto& id : batch.no_longer_pending) pending_.erase(id);
}

void Embedded::checkpoint_if_large() {
    if (wal_frames_ < checkpoint_frames) return;
    wal_frames_ = 0;
    int rc = sqlite3_wal_checkpoint_v2(db_.handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    SqlError e{rc == SQLITE_OK ? rc : sqlite3_extended_errcode(db_.handle()), "checkpoint"};
    if (rc != SQLITE_OK) (void)broken(e);
}

// What an error means for the store as a whole.
Error Embedded::broken(const SqlError& e) {
    auto error = e.error();
    if (e.is_sync()) failed_ = true; // DQ-003
    if (e.is_corrupt()) {            // writing on would spread it; the next start saves what can be read
        directory_.mark(damage_mark);
        failed_ = true;
    }
    if (failed_) error = Error{Errc::io, e.detail + "; the store has failed and takes no writes until a restart"};
    return error;
}

void Embedded::serve(Op& op) {
    if (failed_) {
        op.error = Error{Errc::unavailable, "the store has failed"};
        return;
    }
    try {
        db_.run("BEGIN"); // one read transaction; nothing is written
        if (auto* claiming = std::get_if<ClaimWork>(&op.work)) claim(*claiming);
        if (auto* next = std::get_if<NextDueWork>(&op.work)) next_due(*next);
        if (auto* released = std::get_if<ReleaseWork>(&op.work)) release(*released);
        db_.run("COMMIT");
    } catch (const SqlError& e) {
        op.error = broken(e);
        for (const auto& [num, number] : just_claimed_) claims_.release(num, number);
        if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    just_claimed_.clear();
}

} // namespace danelaw::store
