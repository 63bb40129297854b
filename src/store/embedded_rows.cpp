// Which of a message's rows are read? All of them, those of some recipients, or those towards one domain; a message to
// tens of thousands of destinations is worked on one by one, and each must cost no more than itself (DQ-015).
#include "embedded.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr std::int64_t short_list = 64; // recipients of a message: a page or two, read faster than counted

RecipientRow row_from(const Query& q) {
    return {static_cast<std::uint32_t>(q.integer(0) & 65535),
            q.text(1),
            q.integer(2),
            q.integer(3),
            q.integer(4),
            q.integer(5),
            q.text(6),
            q.text(7)};
}

std::vector<RecipientRow> collect(Query&& q) {
    std::vector<RecipientRow> rows;
    while (q.row()) rows.push_back(row_from(q));
    return rows;
}

} // namespace

std::vector<RecipientRow> rows_of(Database& db, std::int64_t num) {
    return collect(db.query("SELECT key, domain, state, due, attempts, notified, address, last FROM recipient "
                            "WHERE key BETWEEN ? AND ? ORDER BY key",
                            key_of(num, 0), key_of(num, 65535)));
}

std::vector<RecipientRow> rows_at(Database& db, std::int64_t num, Numbers numbers) {
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    std::vector<RecipientRow> rows;
    for (auto number : numbers) {
        auto q = db.query("SELECT key, domain, state, due, attempts, notified, address, last FROM recipient "
                          "WHERE key = ?",
                          key_of(num, number));
        if (q.row()) rows.push_back(row_from(q));
    }
    return rows;
}

std::vector<RecipientRow> rows_towards(Database& db, std::int64_t num, const std::string& domain) {
    const auto first = key_of(num, 0), last = key_of(num, 65535);
    if (nearer(db, num, domain) == Nearer::message)
        return collect(db.query("SELECT key, domain, state, due, attempts, notified, address, last FROM recipient NOT "
                                "INDEXED WHERE key BETWEEN ? AND ? AND domain = ? AND state IN (0, 5) ORDER BY key",
                                first, last, domain));
    return collect(db.query(
        "SELECT key, domain, state, due, attempts, notified, address, last FROM recipient INDEXED BY recipient_due "
        "WHERE domain = ?1 AND state = 0 AND key BETWEEN ?2 AND ?3 UNION ALL SELECT key, domain, state, due, attempts, "
        "notified, address, last FROM recipient INDEXED BY recipient_held WHERE domain = ?1 AND state = 5 AND key "
        "BETWEEN ?2 AND ?3 ORDER BY 1",
        domain, first, last));
}

Nearer nearer(Database& db, std::int64_t num, const std::string& domain) {
    std::int64_t recipients = 0;
    {
        auto q = db.query("SELECT key FROM recipient WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
                          key_of(num, 0), key_of(num, 65535));
        if (q.row()) recipients = q.integer(0) - key_of(num, 0) + 1;
    }
    if (recipients <= short_list) return Nearer::message;
    auto q = db.query("SELECT queued FROM domain WHERE name = ?", domain);
    return q.row() && q.integer(0) < recipients ? Nearer::domain : Nearer::message;
}

Tried tried_of(const RecipientRow& row) {
    if (row.last.empty()) return {};
    auto last = decode_outcome(row.last);
    return last ? tried(std::move(*last)) : Tried{};
}

std::vector<std::string> attempts_of(Database& db, std::int64_t num) {
    std::vector<std::string> attempts;
    auto q =
        db.query("SELECT json FROM attempt WHERE key BETWEEN ? AND ? ORDER BY key", key_of(num, 0), key_of(num, 65535));
    while (q.row()) attempts.push_back(q.text(0));
    return attempts;
}

Result<Message> message_of(Database& db, std::int64_t num, std::string_view envelope,
                           const std::optional<Numbers>& only) {
    Message message;
    auto decoded = decode_envelope(envelope);
    if (!decoded) return fail(decoded.error());
    message.envelope = std::move(*decoded);
    for (const auto& row : only ? rows_at(db, num, *only) : rows_of(db, num)) {
        auto r = from_row(row);
        if (!r) return fail(r.error());
        message.recipients.push_back(std::move(*r));
    }
    auto missing = [&](std::uint32_t number) { return message.recipient(number) == nullptr; };
    if (only ? std::ranges::any_of(*only, missing) : message.recipients.empty())
        return fail(Errc::damaged, "its recipients are missing");
    return message;
}

} // namespace danelaw::store
