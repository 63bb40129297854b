// Operators' actions, slice by slice (DQ-019).
#include "embedded.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

using message::RecipientState;
constexpr std::size_t slice_messages = 500; // about 10 ms of the writer's time
constexpr std::size_t slice_scan = 4000;

// The row after the action; false: not concerned.
bool change(RecipientRow& row, Queue::Action action, std::int64_t now, bool claimed) {
    bool held = row.state == code(RecipientState::held);
    switch (action) {
    case Queue::Action::flush:
        if (held) return false;
        if (!claimed) row.due = std::min(row.due, now);
        return true;
    case Queue::Action::hold: row.state = code(RecipientState::held); return !held;
    case Queue::Action::release:
        row.state = code(RecipientState::queued);
        if (!claimed) row.due = std::min(row.due, now);
        return true;
    case Queue::Action::remove: row.state = code(RecipientState::deleted); return true;
    case Queue::Action::bounce: return true;
    }
    return false;
}

// What a delivery of ours has in hand stays with it: that must not be given back by the caller.
void note_claimed(ActWork& work, const message::Envelope& envelope, const RecipientRow& row) {
    auto& jobs = work.slice.claimed;
    if (jobs.empty() || jobs.back().id != envelope.id || jobs.back().domain != row.domain) {
        Job job;
        job.id = envelope.id;
        job.domain = row.domain;
        jobs.push_back(std::move(job));
    }
    jobs.back().recipients.push_back(row.number);
}

} // namespace

Result<void> Embedded::apply(ActWork& work, Batch& batch) {
    work.slice = {};
    work.next = work.cursor;
    work.done = true;
    latest_ = std::max(latest_, millis(work.now));
    if (names_nothing(work.filter) && !work.filter.all) return {};
    if (work.cursor == 0) note_missing(work);
    bool bounce = work.action == Queue::Action::bounce;
    Selection selection(db_, claims_, Selection::Reads::who_is_concerned);
    std::vector<Selection::Picked> picked;
    auto room = bounce ? Queue::acted_ids - work.acted.ids.size() : slice_messages;
    bool more = selection.pick(work.filter, room, slice_scan, work.next, picked);
    for (const auto& one : picked) {
        auto touched = act_on(work, one, batch);
        if (touched.empty()) continue;
        ++work.slice.messages;
        work.slice.recipients += touched.size();
        if (bounce) work.slice.concerned.push_back(std::move(touched));
        work.slice.ids.push_back(one.message.envelope.id);
    }
    bool filled = bounce && work.acted.ids.size() + work.slice.ids.size() >= Queue::acted_ids;
    work.slice.more = filled && more;
    work.done = filled || !more;
    return {};
}

void Embedded::note_missing(ActWork& work) {
    for (const auto& id : work.filter.ids) {
        auto q = db_.query("SELECT 1 FROM message WHERE id = ?", id);
        if (!q.row()) work.slice.missing.push_back(id);
    }
}

// The recipients that were concerned.
Numbers Embedded::act_on(ActWork& work, const Selection::Picked& picked, Batch& batch) {
    Numbers touched;
    std::int64_t closed = 0;
    for (auto row : picked.concerned) {
        auto before = row;
        if (!change(row, work.action, millis(work.now), claims_.has(picked.num, row.number))) continue;
        touched.push_back(row.number);
        if (work.action == Queue::Action::bounce) {
            if (!claims_.has(picked.num, row.number)) note_claimed(work, picked.message.envelope, row);
            batch.claims.push_back({picked.num, row.domain, {{row.number, row.attempts > 0}}});
        }
        if (row.state == before.state && row.due == before.due) continue;
        batch.count(before, -1);
        batch.count(row, 1);
        if (!is_open(row.state)) {
            ++closed;
            batch.released.emplace_back(picked.num, row.number);
        }
        update_recipient(picked.num, row);
    }
    if (closed == 0) return touched;
    std::vector<RecipientRow> rows;
    auto open = picked.open - closed;
    if (open <= 0) {
        rows = rows_of(db_, picked.num);
        open = std::ranges::count_if(rows, keeps_open, &RecipientRow::state);
    }
    if (open == 0) {
        close_message(picked.num, rows, {}, batch, work.trace);
    } else {
        db_.run("UPDATE message SET open = ? WHERE num = ?", open, picked.num);
    }
    return touched;
}

} // namespace danelaw::store
