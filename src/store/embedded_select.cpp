// Which messages a filter means. list() and act() share it, so an operator acts on what was listed.
#include "embedded.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr std::int64_t few = 20000; // so many recipients of a domain are sorted rather than met while scanning all mail

bool has_open(const std::vector<RecipientRow>& rows) {
    return std::ranges::any_of(rows, [](const auto& r) { return is_open(r.state); });
}

// Are the domain's recipients all that need be read? A message's state shows in all of them.
bool by_domain(const Filter& filter) {
    return !filter.domain.empty() && filter.state.empty();
}

} // namespace

// When few enough were left by their last attempt for that reason, or by that host; else they are met while scanning.
std::optional<Selection::Candidates> Selection::by_last_attempt(const Filter& filter, std::size_t scan,
                                                                std::int64_t beyond) {
    const bool host = !filter.host.empty();
    if (!host && filter.reason.empty()) return std::nullopt;
    const auto range = host ? host_range(filter.host) : HostRange{filter.reason, filter.reason + '\x01'};
    const char* count =
        host ? "SELECT count(*) FROM (SELECT 1 FROM recipient INDEXED BY recipient_host WHERE host <> '' "
               "AND host >= ? AND host < ? LIMIT ?)"
             : "SELECT count(*) FROM (SELECT 1 FROM recipient INDEXED BY recipient_reason WHERE reason "
               "<> '' AND reason >= ? AND reason < ? LIMIT ?)";
    {
        auto q = db_.query(count, range.first, range.end, few + 1);
        if (q.row() && q.integer(0) > few) return std::nullopt;
    }
    const char* select =
        host
            ? "SELECT DISTINCT key >> 16 FROM recipient INDEXED BY recipient_host WHERE host <> '' AND host >= ? AND "
              "host < ? AND key > ? ORDER BY 1 LIMIT ?"
            : "SELECT DISTINCT key >> 16 FROM recipient INDEXED BY recipient_reason WHERE reason <> '' AND reason >= ? "
              "AND reason < ? AND key > ? ORDER BY 1 LIMIT ?";
    Candidates found;
    auto q = db_.query(select, range.first, range.end, beyond, scan);
    while (q.row()) found.nums.push_back(q.integer(0));
    found.seen = found.nums.size();
    found.last = found.nums.empty() ? num_of(beyond) : found.nums.back();
    return found;
}

std::int64_t Selection::num_after(const std::string& id) {
    if (id.empty()) return 0;
    auto q = db_.query("SELECT num, id FROM message WHERE id >= ? ORDER BY id LIMIT 1", id);
    if (!q.row()) return INT64_MAX;
    return q.view(1) == id ? q.integer(0) : q.integer(0) - 1; // it left the queue: ids are ordered by time, as nums are
}

Selection::Candidates Selection::candidates(const Filter& filter, std::size_t scan, std::int64_t after) {
    Candidates found;
    found.last = after;
    auto collect = [&](Query&& q) {
        while (q.row()) found.nums.push_back(q.integer(0));
        found.seen = found.nums.size();
        if (!found.nums.empty()) found.last = found.nums.back();
        return found;
    };
    if (!filter.ids.empty()) {
        auto& nums = found.nums;
        for (const auto& id : filter.ids) {
            auto q = db_.query("SELECT num FROM message WHERE id = ?", id);
            if (q.row() && q.integer(0) > after) nums.push_back(q.integer(0));
        }
        std::ranges::sort(nums);
        nums.erase(std::unique(nums.begin(), nums.end()), nums.end());
        if (nums.size() > scan) nums.resize(scan);
        found.seen = nums.size();
        if (!nums.empty()) found.last = nums.back();
        return found;
    }
    auto beyond = after >= INT64_MAX >> 16 ? INT64_MAX : key_of(after, 65535);
    if (!filter.domain.empty()) {
        auto domain = lower(filter.domain);
        std::int64_t count = 0;
        {
            auto q = db_.query("SELECT queued + held FROM domain WHERE name = ?", domain);
            if (q.row()) count = q.integer(0);
        }
        if (count == 0) return found;
        if (count <= few)
            return collect(
                db_.query("SELECT key >> 16 FROM recipient WHERE domain = ?1 AND state = 0 AND key > ?2 UNION "
                          "SELECT key >> 16 FROM recipient WHERE domain = ?1 AND state = 5 AND key > ?2 "
                          "ORDER BY 1 LIMIT ?3",
                          domain, beyond, scan));
    }
    if (auto found_by_attempt = by_last_attempt(filter, scan, beyond)) return std::move(*found_by_attempt);
    if (!filter.sender.empty())
        return collect(
            db_.query("SELECT num FROM message INDEXED BY message_sender WHERE sender = ? COLLATE NOCASE AND "
                      "num > ? ORDER BY num LIMIT ?",
                      filter.sender, after, scan));
    if (filter.due_after)
        return collect(
            db_.query("SELECT DISTINCT key >> 16 FROM recipient INDEXED BY recipient_due WHERE state = 0 AND "
                      "due > ? AND key > ? ORDER BY 1 LIMIT ?",
                      millis(*filter.due_after), beyond, scan));
    if (filter.state == "held")
        return collect(db_.query("SELECT DISTINCT key >> 16 FROM recipient INDEXED BY recipient_held WHERE state = 5 "
                                 "AND key > ? ORDER BY 1 LIMIT ?",
                                 beyond, scan));
    return scan_all(filter, scan, after);
}

// In the order they came, passing by quickly what the message's own row rules out.
Selection::Candidates Selection::scan_all(const Filter& filter, std::size_t scan, std::int64_t after) {
    Candidates found;
    found.last = after;
    auto newest = filter.older_than ? millis(filter.now - *filter.older_than) : INT64_MAX;
    auto q = db_.query("SELECT num, received FROM message WHERE num > ? ORDER BY num LIMIT ?", after, scan);
    while (q.row()) {
        ++found.seen;
        found.last = q.integer(0);
        if (q.integer(1) > newest) continue;
        found.nums.push_back(found.last);
    }
    return found;
}

bool Selection::pick(const Filter& filter, std::size_t limit, std::size_t scan, std::int64_t& cursor,
                     std::vector<Picked>& into) {
    while (scan > 0 && limit > 0) {
        auto step = std::min<std::size_t>(scan, 1000);
        auto found = candidates(filter, step, cursor);
        for (auto num : found.nums) {
            auto picked = matching(filter, num);
            if (!picked) continue;
            into.push_back(std::move(*picked));
            cursor = num;
            if (--limit == 0) return true;
        }
        cursor = found.last;
        scan -= found.seen;
        if (found.seen < step) return false;
    }
    return true;
}

std::optional<Selection::Picked> Selection::matching(const Filter& filter, std::int64_t num) {
    auto q = db_.query("SELECT id, received, sender, envelope, open FROM message WHERE num = ?", num);
    if (!q.row()) return std::nullopt;
    if (!filter.sender.empty() && !iequals(q.view(2), filter.sender)) return std::nullopt;
    if (filter.older_than && time_from(q.integer(1)) > filter.now - *filter.older_than) return std::nullopt;
    auto rows = by_domain(filter) ? rows_towards(db_, num, lower(filter.domain)) : rows_of(db_, num);
    if (!has_open(rows)) return std::nullopt; // set aside
    if (!filter.state.empty() && !in_state(filter.state, num, rows)) return std::nullopt;
    Picked picked;
    picked.num = num;
    picked.open = q.integer(4);
    if (auto whole = fill(picked, filter, std::move(rows), q.view(3)); !whole) {
        damage.emplace_back(q.text(0), whole.error().detail);
        return std::nullopt;
    }
    if (picked.concerned.empty()) return std::nullopt;
    return picked;
}

bool Selection::in_state(const std::string& state, std::int64_t num, const std::vector<RecipientRow>& rows) const {
    bool queued = false, active = false;
    for (const auto& r : rows) {
        if (r.state != 0) continue;
        queued = true;
        active = active || r.attempts == 0 || claims_.has(num, r.number);
    }
    return state == (active ? "active" : queued ? "deferred" : "held");
}

Result<void> Selection::fill(Picked& picked, const Filter& filter, std::vector<RecipientRow> rows,
                             std::string_view envelope) {
    auto decoded = decode_envelope(envelope);
    if (!decoded) return fail(decoded.error());
    picked.message.envelope = std::move(*decoded);
    const bool all = reads_ == Reads::whole_messages && !by_domain(filter);
    for (auto& row : rows) {
        const bool open = is_open(row.state);
        if (!open && !all) continue;
        auto r = from_row(row);
        if (!r) return fail(r.error());
        if (open && concerns(filter, *r)) picked.concerned.push_back(std::move(row));
        if (all) picked.message.recipients.push_back(std::move(*r));
    }
    if (all || reads_ == Reads::who_is_concerned || picked.concerned.empty()) return {};
    auto whole = message_of(db_, picked.num, envelope);
    if (!whole) return fail(whole.error());
    picked.message = std::move(*whole);
    return {};
}

} // namespace danelaw::store
