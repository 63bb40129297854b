// Operators' actions on the shared store, slice by slice, and the SQL that says which messages a filter means.
#include "shared.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr std::size_t slice_messages = 500;
constexpr Millis bounce_time = std::chrono::minutes(2); // to record what an action claimed for its caller

std::string next(const Params& p) {
    return "$" + std::to_string(p.count());
}

} // namespace

std::string shared_concerns(const Filter& filter, Params& p) {
    std::string sql;
    if (!filter.domain.empty()) {
        p.text(lower(filter.domain));
        sql += " AND r.domain = " + next(p) + "::text";
    }
    if (!filter.reason.empty()) {
        p.text(filter.reason);
        sql += " AND r.reason <> '' AND r.reason = " + next(p) + "::text";
    }
    if (!filter.host.empty()) {
        const auto range = host_range(filter.host);
        p.text(range.first);
        sql += " AND r.host <> '' AND r.host >= " + next(p) + "::text";
        p.text(range.end);
        sql += " AND r.host < " + next(p) + "::text";
    }
    if (filter.due_after) {
        p.number(millis(*filter.due_after));
        sql += " AND r.due > " + next(p) + "::bigint";
    }
    return sql;
}

std::string shared_where(const Filter& filter, const std::string& after, Params& p) {
    p.text(after);
    std::string sql = "m.finished IS NULL AND m.id > " + next(p) + "::text";
    if (!filter.ids.empty()) {
        p.texts(filter.ids);
        sql += " AND m.id = ANY(" + next(p) + "::text[])";
    }
    if (!filter.sender.empty()) {
        p.text(filter.sender);
        sql += " AND lower(m.sender) = lower(" + next(p) + "::text)";
    }
    if (filter.older_than) {
        p.number(millis(filter.now - *filter.older_than));
        sql += " AND m.received <= " + next(p) + "::bigint";
    }
    auto some = [](const std::string& what) {
        return "EXISTS (SELECT 1 FROM recipient r WHERE r.id = m.id AND " + what + ")";
    };
    sql += " AND " + some("r.state IN (0, 5)" + shared_concerns(filter, p));
    auto active = some("r.state = 0 AND (r.attempts = 0 OR r.owner IS NOT NULL)"), queued = some("r.state = 0");
    if (filter.state == "active")
        sql += " AND " + active;
    else if (filter.state == "deferred")
        sql += " AND " + queued + " AND NOT " + active;
    else if (filter.state == "held")
        sql += " AND NOT " + queued;
    else if (!filter.state.empty())
        sql += " AND false";
    return sql;
}

void Shared::act(PgConnection& c, ActWork& work) {
    work.slice = {};
    work.next_id = work.cursor_id;
    work.done = true;
    latest_ = std::max(latest_, millis(work.now));
    if (names_nothing(work.filter) && !work.filter.all) return;
    if (work.cursor_id.empty() && !work.filter.ids.empty()) {
        auto missing = c.query("SELECT i FROM unnest($1::text[]) i WHERE NOT EXISTS (SELECT 1 FROM message WHERE id = "
                               "i AND finished IS NULL)",
                               Params().texts(work.filter.ids));
        for (int i = 0; i < missing.size(); ++i) work.slice.missing.push_back(missing.text(i, 0));
    }
    bool bounce = work.action == Queue::Action::bounce;
    auto room = bounce ? Queue::acted_ids - work.acted.ids.size() : slice_messages;
    Params p;
    auto where = shared_where(work.filter, work.cursor_id, p);
    auto rows =
        c.query_once("SELECT m.id FROM message m WHERE " + where + " ORDER BY m.id LIMIT " + std::to_string(room), p);
    std::vector<std::string> ids;
    for (int i = 0; i < rows.size(); ++i) ids.push_back(rows.text(i, 0));
    bool more = ids.size() == room;
    if (!ids.empty()) work.next_id = ids.back();
    auto changed = changed_by(c, work, ids);
    work.slice.messages = changed.size();
    for (auto& [id, numbers] : changed) {
        work.slice.recipients += numbers.size();
        std::ranges::sort(numbers);
        work.slice.ids.push_back(id);
        if (bounce) work.slice.concerned.push_back(std::move(numbers));
    }
    bool filled = bounce && work.acted.ids.size() + work.slice.ids.size() >= Queue::acted_ids;
    work.slice.more = filled && more;
    work.done = filled || !more;
}

// The recipients concerned.
Shared::Changed Shared::changed_by(PgConnection& c, const ActWork& work, const std::vector<std::string>& ids) {
    Params p;
    p.texts(ids).number(millis(work.now));
    std::string due = "due = CASE WHEN owner IS NULL THEN least(due, $2::bigint) ELSE due END", set, where;
    switch (work.action) {
    case Queue::Action::flush: set = due, where = "r.state = 0"; break;
    case Queue::Action::hold: set = "state = 5", where = "r.state = 0"; break;
    case Queue::Action::release: set = "state = 0, " + due, where = "r.state IN (0, 5)"; break;
    case Queue::Action::remove: set = "state = 4, owner = NULL, lease = NULL", where = "r.state IN (0, 5)"; break;
    case Queue::Action::bounce: // what is being tried stays with who tries it; whoever records first counts
        p.text(options_.owner).number(bounce_time.count());
        set = "fence = CASE WHEN owner IS NULL THEN nextval('fence') ELSE fence END, lease = CASE WHEN owner IS NULL "
              "THEN "
              "clock_timestamp() + $4::bigint * interval '1 millisecond' ELSE lease END, owner = coalesce(owner, "
              "$3::text)";
        where = "r.state IN (0, 5)";
        break;
    }
    where += " AND $2::bigint IS NOT NULL" + shared_concerns(work.filter, p);
    auto rows = c.query_once("UPDATE recipient r SET " + set + " WHERE r.id = ANY($1::text[]) AND " + where +
                                 " RETURNING r.id, r.number",
                             p);
    Changed changed;
    std::vector<std::string> closed; // an id for each recipient
    for (int i = 0; i < rows.size(); ++i) {
        closed.push_back(rows.text(i, 0));
        changed[closed.back()].push_back(static_cast<std::uint32_t>(rows.number(i, 1)));
    }
    if (work.action == Queue::Action::remove && !closed.empty())
        c.query("SELECT settle($1::text[], $2::bigint)", Params().texts(closed).number(latest_));
    if (work.trace == ActWork::Trace::none)
        c.query(
            "WITH gone AS (DELETE FROM message WHERE id = ANY($1::text[]) AND finished IS NOT NULL RETURNING id), a AS "
            "(DELETE FROM attempt WHERE id IN (SELECT id FROM gone)) DELETE FROM recipient WHERE id IN (SELECT id FROM "
            "gone)",
            Params().texts(closed));
    return changed;
}

} // namespace danelaw::store
