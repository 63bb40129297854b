// Messages coming in: pieces of large ones, whole ones, and small key-values.
#include "embedded.hpp"

#include "crc32c.hpp"
#include "danelaw/base/limits.hpp"

#include <algorithm>

namespace danelaw::store {

constexpr std::size_t numbers_most = 65536; // recipients, chunks and attempts of one message share a key of 16 bits

Result<void> Embedded::apply(AppendWork& work, Batch&) {
    auto [it, fresh] = pending_.try_emplace(work.id);
    if (fresh) it->second = next_num_++;
    auto num = it->second;
    if (work.sequence >= numbers_most) return fail(Errc::limit, "content has too many chunks");
    // The row again with each chunk: a batch that failed took the first one with it.
    db_.run("INSERT OR REPLACE INTO pending VALUES(?, ?)", num, work.id);
    db_.run("INSERT OR REPLACE INTO chunk VALUES(?, ?, ?)", key_of(num, work.sequence), crc32c(work.octets),
            Blob{work.octets});
    return {};
}

Result<void> Embedded::apply(DiscardWork& work, Batch& batch) {
    auto it = pending_.find(work.id);
    if (it == pending_.end()) return {};
    db_.run("DELETE FROM chunk WHERE key BETWEEN ? AND ?", key_of(it->second, 0), key_of(it->second, 65535));
    db_.run("DELETE FROM pending WHERE num = ?", it->second);
    batch.no_longer_pending.push_back(work.id);
    return {};
}

Result<void> Embedded::apply(AddWork& work, Batch& batch) {
    work.jobs.clear();
    auto num = insert(work.message, batch);
    if (!num) return fail(num.error());
    if (work.claiming == Claiming::later) return {};
    work.jobs = due_jobs(work.message.message);
    for (const auto& job : work.jobs) {
        auto& claim = batch.claims.emplace_back();
        claim.num = *num;
        claim.domain = job.domain;
        for (auto number : job.recipients)
            claim.recipients.push_back({number, work.message.message.recipient(number)->attempts > 0});
    }
    return {};
}

Result<std::int64_t> Embedded::insert(const NewMessage& message, Batch& batch) {
    auto envelope = message.message.envelope;
    const auto& recipients = message.message.recipients;
    if (recipients.size() > numbers_most) return fail(Errc::limit, "too many recipients");
    if (message.content.size() > numbers_most * limits::chunk) return fail(Errc::limit, "content is too large");
    auto appended = pending_.find(envelope.id);
    std::int64_t num = appended == pending_.end() ? next_num_++ : appended->second;
    std::uint32_t first = 0;
    Bytes size = message.content.size();
    if (appended != pending_.end()) {
        auto q =
            db_.query("SELECT count(*), coalesce(max(key), 0) & 65535, coalesce(sum(length(octets)), 0) FROM chunk "
                      "WHERE key BETWEEN ? AND ?",
                      key_of(num, 0), key_of(num, 65535));
        q.row();
        if (q.integer(0) > 0 && q.integer(1) != q.integer(0) - 1)
            return fail(Errc::limit, "a piece of the content is missing");
        first = static_cast<std::uint32_t>(q.integer(0));
        size += static_cast<Bytes>(q.integer(2));
    }
    envelope.content.size = size;
    auto open = std::ranges::count_if(recipients, [](const auto& r) { return is_open(code(r.state)); });
    db_.run("INSERT INTO message VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", num, envelope.id,
            millis(envelope.received_at), size, open, envelope.reverse_path, Blob{encode(envelope)});
    if (db_.changes() == 0) return fail(Errc::limit, "id " + envelope.id + " is in the queue already");
    insert_chunks(num, first, message.content);
    for (const auto& r : recipients) insert_recipient(num, to_row(r), batch);
    insert_attempts(num, message.attempts);
    if (appended != pending_.end()) {
        db_.run("DELETE FROM pending WHERE num = ?", num);
        batch.no_longer_pending.push_back(envelope.id);
    }
    ++batch.messages;
    latest_ = std::max(latest_, millis(envelope.received_at));
    return num;
}

void Embedded::insert_chunks(std::int64_t num, std::uint32_t first, std::string_view content) {
    for (std::uint32_t n = first; !content.empty(); ++n) {
        auto piece = content.substr(0, limits::chunk);
        db_.run("INSERT INTO chunk VALUES(?, ?, ?)", key_of(num, n), crc32c(piece), Blob{piece});
        content.remove_prefix(piece.size());
    }
}

void Embedded::insert_recipient(std::int64_t num, const RecipientRow& row, Batch& batch) {
    const auto last = tried_of(row);
    db_.run("INSERT INTO recipient VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", key_of(num, row.number), row.domain,
            row.state, row.due, row.attempts, row.notified, Blob{row.address}, Blob{row.last}, last.reason, last.host);
    batch.count(row, 1);
}

// The trace of one message is bounded: after `most` the newest are dropped, the oldest tell how the trouble began.
void Embedded::insert_attempts(std::int64_t num, const std::vector<std::string>& attempts) {
    if (attempts.empty()) return;
    constexpr std::int64_t most = 2000;
    std::int64_t next = key_of(num, 0);
    {
        auto q = db_.query("SELECT key FROM attempt WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT 1",
                           key_of(num, 0), key_of(num, 65535));
        if (q.row()) next = q.integer(0) + 1;
    }
    for (const auto& json : attempts) {
        if (next - key_of(num, 0) >= most) return;
        db_.run("INSERT INTO attempt VALUES(?, ?)", next++, json);
    }
}

Result<void> Embedded::apply(PutWork& work, Batch&) {
    if (work.value.empty()) {
        db_.run("DELETE FROM kv WHERE tbl = ? AND key = ?", work.table, Blob{work.key});
    } else {
        db_.run("INSERT OR REPLACE INTO kv VALUES(?, ?, ?)", work.table, Blob{work.key}, Blob{work.value});
    }
    return {};
}

Result<void> Embedded::apply(CountWork& work, Batch&) {
    for (const auto& [key, n] : work.counts)
        db_.run("INSERT INTO kv VALUES(?1, ?2, CAST(CAST(?3 AS TEXT) AS BLOB)) ON CONFLICT DO UPDATE SET value = "
                "CAST(CAST(CAST(CAST(value AS TEXT) AS INTEGER) + ?3 AS TEXT) AS BLOB)",
                work.table, Blob{key}, n);
    return {};
}

} // namespace danelaw::store
