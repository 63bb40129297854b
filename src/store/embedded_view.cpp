// Reading on a connection of one's own, beside the writer: nobody waits for an fsync to look at a message.
#include "embedded.hpp"

#include "crc32c.hpp"
#include "danelaw/base/limits.hpp"

#include <algorithm>
#include <limits>

namespace danelaw::store {
namespace {

class EmbeddedView final : public View {
  public:
    EmbeddedView(const std::string& path, const std::string& vfs, const Claims& claims)
        : db_(path, Database::Mode::read_only, vfs), claims_(claims) {
        db_.execute("PRAGMA query_only=ON; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY");
    }

    Result<Message> load(const std::string& id, const std::optional<Numbers>& only) override {
        return reading([&] { return load_now(id, only); });
    }
    Result<std::string> read(const std::string& id, std::uint32_t sequence) override {
        return reading([&] { return read_now(id, sequence); });
    }
    Result<std::vector<Message>> list(const Filter& filter, std::size_t limit, const std::string& after) override {
        return reading([&] { return list_now(filter, limit, after); });
    }
    Result<Trace> trace(const std::string& id) override {
        return reading([&] { return trace_now(id); });
    }
    Result<Counts> counts() override {
        return reading([&] { return counts_now(); });
    }
    Result<std::vector<DomainCount>> domains(const DomainQuery& query) override {
        return reading([&] { return domains_now(query); });
    }
    Result<std::vector<ReasonCount>> reasons() override {
        return reading([&] { return reasons_now(); });
    }
    Result<std::optional<std::string>> get(const std::string& table, const std::string& key) override {
        return reading([&] { return get_now(table, key); });
    }
    Result<std::vector<std::pair<std::string, std::string>>> scan(const std::string& table,
                                                                  const std::string& prefix) override {
        return reading([&] { return scan_now(table, prefix); });
    }

  private:
    // One snapshot for a question.
    template <class F> std::invoke_result_t<F> reading(F question) {
        try {
            db_.run("BEGIN");
            auto answer = question();
            db_.run("COMMIT");
            return answer;
        } catch (const SqlError& e) {
            if (db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
            return fail(e.error());
        }
    }
    Error damaged(const std::string& id, Error error) {
        if (error.code == Errc::damaged) damage.emplace_back(id, error.detail);
        return error;
    }

    Result<Message> load_now(const std::string& id, const std::optional<Numbers>& only);
    Result<std::string> read_now(const std::string& id, std::uint32_t sequence);
    Result<std::vector<Message>> list_now(const Filter& filter, std::size_t limit, const std::string& after);
    Result<Trace> trace_now(const std::string& id);
    Result<Counts> counts_now();
    Result<std::vector<DomainCount>> domains_now(const DomainQuery& query);
    Result<std::vector<ReasonCount>> reasons_now();
    Time oldest_of(const std::string& domain, std::int64_t queued);
    Result<std::optional<std::string>> get_now(const std::string& table, const std::string& key);
    Result<std::vector<std::pair<std::string, std::string>>> scan_now(const std::string& table,
                                                                      const std::string& prefix);

    Database db_;
    const Claims& claims_;
};

Result<Message> EmbeddedView::load_now(const std::string& id, const std::optional<Numbers>& only) try {
    auto q = db_.query("SELECT num, envelope FROM message WHERE id = ?", id);
    if (!q.row()) return fail(Errc::not_found, "no message " + id + " in the queue");
    auto message = message_of(db_, q.integer(0), q.view(1), only);
    if (message && message->envelope.id != id) message = fail(Errc::damaged, "its envelope is another message's");
    if (!message) return fail(damaged(id, message.error()));
    return message;
} catch (const SqlError& e) {
    (void)damaged(id, e.error());
    throw;
}

Result<std::string> EmbeddedView::read_now(const std::string& id, std::uint32_t sequence) try {
    auto m = db_.query("SELECT num, size FROM message WHERE id = ?", id);
    if (!m.row()) return fail(Errc::not_found, "no message " + id + " in the queue");
    auto q = db_.query("SELECT crc, octets FROM chunk WHERE key = ?", key_of(m.integer(0), sequence));
    bool past = static_cast<std::int64_t>(sequence) * static_cast<std::int64_t>(limits::chunk) >= m.integer(1);
    auto name = "content (piece " + std::to_string(sequence) + ")";
    if (!q.row()) {
        if (past) return std::string();
        return fail(damaged(id, Error{Errc::damaged, name + " is missing"}));
    }
    auto octets = q.text(1);
    if (crc32c(octets) != static_cast<std::uint32_t>(q.integer(0)))
        return fail(damaged(id, Error{Errc::damaged, name + " fails its checksum"}));
    return octets;
} catch (const SqlError& e) {
    (void)damaged(id, e.error());
    throw;
}

Result<std::vector<Message>> EmbeddedView::list_now(const Filter& filter, std::size_t limit, const std::string& after) {
    Selection selection(db_, claims_, Selection::Reads::whole_messages);
    auto cursor = selection.num_after(after);
    std::vector<Selection::Picked> picked;
    selection.pick(filter, limit, std::numeric_limits<std::size_t>::max(), cursor, picked);
    std::ranges::move(selection.damage, std::back_inserter(damage));
    std::vector<Message> messages;
    for (auto& p : picked) messages.push_back(std::move(p.message));
    return messages;
}

Result<Trace> EmbeddedView::trace_now(const std::string& id) {
    auto open = db_.query("SELECT num, envelope FROM message WHERE id = ?", id);
    if (open.row()) {
        auto message = message_of(db_, open.integer(0), open.view(1));
        if (!message) return fail(damaged(id, message.error()));
        return Trace{std::move(*message), attempts_of(db_, open.integer(0)), true};
    }
    auto finished = db_.query("SELECT data FROM history WHERE id = ? ORDER BY num DESC LIMIT 1", id);
    if (!finished.row()) return fail(Errc::not_found, "no message " + id + " in the queue or among the traces kept");
    return decode_history(finished.view(0));
}

Result<Counts> EmbeddedView::counts_now() {
    Counts c;
    {
        auto q = db_.query("SELECT n FROM counter WHERE name = 'messages'");
        if (q.row()) c.messages = static_cast<std::uint64_t>(q.integer(0));
    }
    auto q = db_.query(
        "SELECT count(*), coalesce(sum(queued), 0), coalesce(sum(deferred), 0), coalesce(sum(held), 0) FROM domain");
    q.row();
    auto [claimed, tried] = claims_.recipients();
    auto queued = static_cast<std::uint64_t>(q.integer(1));
    auto deferred = static_cast<std::uint64_t>(q.integer(2));
    c.destinations = static_cast<std::uint64_t>(q.integer(0));
    c.held = static_cast<std::uint64_t>(q.integer(3));
    c.deferred = deferred - std::min<std::uint64_t>(deferred, tried);
    c.active = queued - c.deferred;
    c.recipients = queued + c.held;
    auto oldest = db_.query("SELECT received FROM message ORDER BY num LIMIT 1");
    if (oldest.row()) c.oldest = time_from(oldest.integer(0));
    return c;
}

Result<std::vector<DomainCount>> EmbeddedView::domains_now(const DomainQuery& query) {
    std::vector<DomainCount> counts;
    auto q = db_.query("SELECT name, queued, held, reason FROM domain WHERE (?1 = '' OR instr(name, ?1) > 0) AND "
                       "(?2 = '' OR reason = ?2) ORDER BY queued + held DESC, name LIMIT ?3 OFFSET ?4",
                       query.contains, query.reason, query.limit, query.offset);
    while (q.row())
        counts.push_back({q.text(0), static_cast<std::uint64_t>(q.integer(1) + q.integer(2)), q.text(3),
                          oldest_of(q.text(0), q.integer(1))});
    return counts;
}

Result<std::vector<ReasonCount>> EmbeddedView::reasons_now() {
    std::vector<ReasonCount> counts;
    auto q = db_.query("SELECT reason, count(*), sum(queued + held) FROM domain GROUP BY reason ORDER BY 3 DESC, 1");
    while (q.row())
        counts.push_back(
            {q.text(0), static_cast<std::uint64_t>(q.integer(1)), static_cast<std::uint64_t>(q.integer(2))});
    return counts;
}

// Exact up to some thousand recipients; beyond, that of the recipient due first, to keep the question cheap.
Time EmbeddedView::oldest_of(const std::string& domain, std::int64_t queued) {
    // Two questions in one: no index holds both states, and without one each answer would read the whole queue.
    const char* exact =
        "SELECT min(first) FROM (SELECT min(key) AS first FROM recipient INDEXED BY recipient_due WHERE "
        "domain = ?1 AND state = 0 UNION ALL SELECT min(key) FROM recipient INDEXED BY recipient_held "
        "WHERE domain = ?1 AND state = 5)";
    const char* first = "SELECT key FROM recipient WHERE domain = ? AND state = 0 ORDER BY due LIMIT 1";
    std::int64_t num = 0;
    {
        auto q = db_.query(queued <= 5000 ? exact : first, domain);
        if (q.row()) num = num_of(q.integer(0));
    }
    auto q = db_.query("SELECT received FROM message WHERE num = ?", num);
    return q.row() ? time_from(q.integer(0)) : Time{};
}

Result<std::optional<std::string>> EmbeddedView::get_now(const std::string& table, const std::string& key) {
    auto q = db_.query("SELECT value FROM kv WHERE tbl = ? AND key = ?", table, Blob{key});
    if (!q.row()) return std::optional<std::string>();
    return std::optional<std::string>(q.text(0));
}

Result<std::vector<std::pair<std::string, std::string>>> EmbeddedView::scan_now(const std::string& table,
                                                                                const std::string& prefix) {
    std::vector<std::pair<std::string, std::string>> found;
    auto q = db_.query("SELECT key, value FROM kv WHERE tbl = ? AND key >= ? ORDER BY key", table, Blob{prefix});
    while (q.row() && q.view(0).starts_with(prefix)) found.emplace_back(q.text(0), q.text(1));
    return found;
}

} // namespace

Result<std::unique_ptr<View>> Embedded::view() {
    try {
        return std::make_unique<EmbeddedView>(directory_.file("queue.db"), options_.vfs, claims_);
    } catch (const SqlError& e) {
        return fail(e.error());
    }
}

} // namespace danelaw::store
