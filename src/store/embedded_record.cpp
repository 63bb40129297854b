// What attempts led to: recipients' new states, the trace, notices, and messages that are done (DQ-004, DQ-005,
// DQ-010).
#include "embedded.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

using message::RecipientState;

void change(RecipientRow& row, const RecipientUpdate& update) {
    bool stays_held = row.state == code(RecipientState::held) && update.state == RecipientState::queued;
    if (!stays_held) row.state = code(update.state);
    row.due = millis(update.next_attempt);
    if (update.count_attempt) ++row.attempts;
    if (update.delay_notified) row.notified = 1;
    if (update.outcome) row.last = encode(*update.outcome);
}

Numbers numbers_of(const std::vector<RecipientUpdate>& updates) {
    Numbers numbers;
    for (const auto& update : updates) numbers.push_back(update.number);
    return numbers;
}

} // namespace

Result<void> Embedded::apply(RecordWork& work, Batch& batch) {
    work.recorded = {};
    const auto& record = work.record;
    std::int64_t num = 0, open = 0;
    {
        auto q = db_.query("SELECT num, open FROM message WHERE id = ?", record.id);
        if (!q.row()) return fail(Errc::stale, "message " + record.id + " has left the queue");
        num = q.integer(0);
        open = q.integer(1);
    }
    // Who is concerned is read, and all of them when the message may be done with: its trace takes them along.
    const auto closing = std::ranges::count_if(record.updates, [](const auto& u) { return !is_open(code(u.state)); });
    const bool last = closing >= open;
    auto rows = last ? rows_of(db_, num) : rows_at(db_, num, numbers_of(record.updates));
    std::vector<RecipientRow*> changed;
    for (const auto& update : record.updates) {
        auto row = std::ranges::lower_bound(rows, update.number, {}, &RecipientRow::number);
        if (row == rows.end() || row->number != update.number || !is_open(row->state)) {
            work.recorded.stale.push_back(update.number);
            batch.released.emplace_back(num, update.number);
            continue;
        }
        batch.count(*row, -1);
        change(*row, update);
        batch.count(*row, 1);
        if (!is_open(row->state)) --open;
        if (update.outcome && update.outcome->verdict != Verdict::delivered)
            batch.domains[row->domain].reason = word(update.outcome->reason);
        changed.push_back(&*row);
        batch.released.emplace_back(num, update.number);
    }
    if (changed.empty() && !record.updates.empty())
        return fail(Errc::stale, "recipients of " + record.id + " were closed meanwhile");
    for (const auto& notice : record.notices)
        if (auto added = insert(notice, batch); !added) { // ids are unique: somebody records twice
            SqlError e{SQLITE_CONSTRAINT, added.error().detail};
            throw e;
        }
    if (last)
        open =
            std::ranges::count_if(rows, keeps_open, &RecipientRow::state); // what closes a message is what its rows say
    work.recorded.removed = open == 0;
    if (work.recorded.removed) {
        close_message(num, rows, record.attempts, batch);
        return {};
    }
    for (auto* row : changed) update_recipient(num, *row);
    db_.run("UPDATE message SET open = ? WHERE num = ? AND open != ?", open, num, open);
    insert_attempts(num, record.attempts);
    return {};
}

void Embedded::update_recipient(std::int64_t num, const RecipientRow& row) {
    const auto last = tried_of(row);
    db_.run("UPDATE recipient SET state = ?, due = ?, attempts = ?, notified = ?, last = ?, reason = ?, host = ? WHERE "
            "key = ?",
            row.state, row.due, row.attempts, row.notified, Blob{row.last}, last.reason, last.host,
            key_of(num, row.number));
}

// DQ-010: content goes when no recipient is open, in the transaction that stores the notices; the trace stays.
void Embedded::close_message(std::int64_t num, std::span<const RecipientRow> rows,
                             const std::vector<std::string>& attempts, Batch& batch, ActWork::Trace trace) {
    auto told = attempts_of(db_, num);
    told.insert(told.end(), attempts.begin(), attempts.end());
    if (trace == ActWork::Trace::keep) {
        auto q = db_.query("SELECT id, envelope FROM message WHERE num = ?", num);
        q.row();
        auto blob = encode_history(q.view(1), rows, told);
        db_.run("INSERT INTO history(id, finished, data) VALUES(?, ?, ?)", q.view(0), latest_, Blob{blob});
    }
    auto first = key_of(num, 0), last = key_of(num, 65535);
    db_.run("DELETE FROM chunk WHERE key BETWEEN ? AND ?", first, last);
    db_.run("DELETE FROM recipient WHERE key BETWEEN ? AND ?", first, last);
    if (told.size() > attempts.size()) db_.run("DELETE FROM attempt WHERE key BETWEEN ? AND ?", first, last);
    db_.run("DELETE FROM message WHERE num = ?", num);
    --batch.messages;
    if (trace == ActWork::Trace::keep) ++batch.finished;
}

// DQ-008: nothing of it is deleted; it is only never handed out again.
Result<void> Embedded::apply(SetAsideWork& work, Batch& batch) {
    auto q = db_.query("SELECT num FROM message WHERE id = ?", work.id);
    if (!q.row()) return fail(Errc::not_found, work.id);
    auto num = q.integer(0);
    for (auto& row : rows_of(db_, num)) {
        if (!is_open(row.state)) continue;
        batch.count(row, -1);
        row.state = set_aside;
        update_recipient(num, row);
        batch.released.emplace_back(num, row.number);
    }
    db_.run("INSERT OR IGNORE INTO damaged VALUES(?, ?)", work.id, work.why);
    if (db_.changes() == 0) return fail(Errc::not_found, work.id + " is set aside already");
    return {};
}

} // namespace danelaw::store
