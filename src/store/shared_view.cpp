// Reading the shared store on a connection of one's own.
#include "shared.hpp"

#include "crc32c.hpp"
#include "danelaw/base/limits.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

class SharedView final : public View {
  public:
    explicit SharedView(std::string conninfo) : conninfo_(std::move(conninfo)) {}

    Result<Message> load(const std::string& id, const std::optional<Numbers>& only) override {
        return reading([&](PgConnection& c) { return load_now(c, id, only); });
    }
    Result<std::string> read(const std::string& id, std::uint32_t sequence) override {
        return reading([&](PgConnection& c) { return read_now(c, id, sequence); });
    }
    Result<std::vector<Message>> list(const Filter& filter, std::size_t limit, const std::string& after) override {
        return reading([&](PgConnection& c) { return list_now(c, filter, limit, after); });
    }
    Result<Trace> trace(const std::string& id) override {
        return reading([&](PgConnection& c) { return trace_now(c, id); });
    }
    Result<Counts> counts() override {
        return reading([&](PgConnection& c) { return counts_now(c); });
    }
    Result<std::vector<DomainCount>> domains(const DomainQuery& query) override {
        return reading([&](PgConnection& c) { return domains_now(c, query); });
    }
    Result<std::vector<ReasonCount>> reasons() override {
        return reading([&](PgConnection& c) { return reasons_now(c); });
    }
    Result<std::vector<RelayShare>> relays() override {
        return reading([&](PgConnection& c) -> Result<std::vector<RelayShare>> {
            auto rows =
                c.query("SELECT owner, (extract(epoch FROM seen) * 1000)::bigint, (SELECT count(*) FROM recipient "
                        "r WHERE r.owner = relay.owner) FROM relay ORDER BY owner");
            std::vector<RelayShare> found;
            for (int i = 0; i < rows.size(); ++i)
                found.push_back(
                    {rows.text(i, 0), time_from(rows.number(i, 1)), static_cast<std::uint64_t>(rows.number(i, 2))});
            return found;
        });
    }
    Result<std::optional<std::string>> get(const std::string& table, const std::string& key) override {
        return reading([&](PgConnection& c) -> Result<std::optional<std::string>> {
            auto rows = c.query("SELECT value FROM kv WHERE tbl = $1::text AND key = $2::bytea",
                                Params().text(table).octets(key));
            return rows.size() == 0 ? std::optional<std::string>() : std::optional<std::string>(rows.text(0, 0));
        });
    }
    Result<std::vector<std::pair<std::string, std::string>>> scan(const std::string& table,
                                                                  const std::string& prefix) override {
        return reading([&](PgConnection& c) -> Result<std::vector<std::pair<std::string, std::string>>> {
            auto rows = c.query("SELECT key, value FROM kv WHERE tbl = $1::text AND key >= $2::bytea AND "
                                "substr(key, 1, length($2::bytea)) = $2::bytea ORDER BY key",
                                Params().text(table).octets(prefix));
            std::vector<std::pair<std::string, std::string>> found;
            for (int i = 0; i < rows.size(); ++i) found.emplace_back(rows.text(i, 0), rows.text(i, 1));
            return found;
        });
    }

  private:
    // A connection that broke while idle is made anew once.
    template <class F> std::invoke_result_t<F, PgConnection&> reading(F question) {
        for (int turn = 0;; ++turn) {
            try {
                if (!connection_) connection_ = connect_shared(conninfo_);
                return question(*connection_);
            } catch (const PgError& e) {
                bool broken = !connection_ || !connection_->alive();
                if (broken) connection_.reset();
                if (!broken || turn > 0) return fail(e.error());
            }
        }
    }
    Error damaged(const std::string& id, Error error) {
        if (error.code == Errc::damaged) damage.emplace_back(id, error.detail);
        return error;
    }
    Result<Message> message_at(PgConnection& c, const std::string& id, std::string_view envelope,
                               const std::optional<Numbers>& only = std::nullopt);
    Result<Message> load_now(PgConnection& c, const std::string& id, const std::optional<Numbers>& only);
    Result<std::string> read_now(PgConnection& c, const std::string& id, std::uint32_t sequence);
    Result<std::vector<Message>> list_now(PgConnection& c, const Filter& filter, std::size_t limit,
                                          const std::string& after);
    Result<Trace> trace_now(PgConnection& c, const std::string& id);
    Result<Counts> counts_now(PgConnection& c);
    Result<std::vector<DomainCount>> domains_now(PgConnection& c, const DomainQuery& query);
    Result<std::vector<ReasonCount>> reasons_now(PgConnection& c);

    std::string conninfo_;
    std::unique_ptr<PgConnection> connection_;
};

Result<Message> SharedView::message_at(PgConnection& c, const std::string& id, std::string_view envelope,
                                       const std::optional<Numbers>& only) {
    Message message;
    auto decoded = decode_envelope(envelope);
    if (!decoded) return fail(damaged(id, decoded.error()));
    message.envelope = std::move(*decoded);
    constexpr const char* of_message = "SELECT number, domain, state, due, attempts, notified, address, last, owner "
                                       "FROM recipient WHERE id = $1::text ORDER BY number";
    constexpr const char* of_these =
        "SELECT number, domain, state, due, attempts, notified, address, last, owner FROM recipient WHERE id = "
        "$1::text AND number = ANY($2::bigint[]) ORDER BY number";
    Params p;
    p.text(id);
    if (only) p.numbers(std::vector<std::int64_t>(only->begin(), only->end()));
    auto rows = c.query(only ? of_these : of_message, p);
    for (int i = 0; i < rows.size(); ++i) {
        RecipientRow row{static_cast<std::uint32_t>(rows.number(i, 0)),
                         rows.text(i, 1),
                         rows.number(i, 2),
                         rows.number(i, 3),
                         rows.number(i, 4),
                         rows.number(i, 5),
                         rows.text(i, 6),
                         rows.text(i, 7)};
        auto r = from_row(row);
        if (!r) return fail(damaged(id, r.error()));
        if (!rows.null(i, 8)) r->relay = rows.text(i, 8);
        message.recipients.push_back(std::move(*r));
    }
    auto missing = [&](std::uint32_t number) { return message.recipient(number) == nullptr; };
    if (only ? std::ranges::any_of(*only, missing) : message.recipients.empty())
        return fail(damaged(id, Error{Errc::damaged, "its recipients are missing"}));
    return message;
}

Result<Message> SharedView::load_now(PgConnection& c, const std::string& id, const std::optional<Numbers>& only) {
    auto rows = c.query("SELECT envelope FROM message WHERE id = $1::text AND finished IS NULL", Params().text(id));
    if (rows.size() == 0) return fail(Errc::not_found, "no message " + id + " in the queue");
    return message_at(c, id, rows.view(0, 0), only);
}

Result<std::string> SharedView::read_now(PgConnection& c, const std::string& id, std::uint32_t sequence) {
    auto rows =
        c.query("SELECT m.size, c.crc, c.octets FROM message m LEFT JOIN chunk c ON c.id = m.id AND c.seq = $2::bigint "
                "WHERE m.id = $1::text AND m.finished IS NULL",
                Params().text(id).number(sequence));
    if (rows.size() == 0) return fail(Errc::not_found, "no message " + id + " in the queue");
    auto name = "content (piece " + std::to_string(sequence) + ")";
    if (rows.null(0, 1)) {
        bool past = static_cast<std::int64_t>(sequence) * static_cast<std::int64_t>(limits::chunk) >= rows.number(0, 0);
        if (past) return std::string();
        return fail(damaged(id, Error{Errc::damaged, name + " is missing"}));
    }
    auto octets = rows.text(0, 2);
    if (crc32c(octets) != static_cast<std::uint32_t>(rows.number(0, 1)))
        return fail(damaged(id, Error{Errc::damaged, name + " fails its checksum"}));
    return octets;
}

Result<std::vector<Message>> SharedView::list_now(PgConnection& c, const Filter& filter, std::size_t limit,
                                                  const std::string& after) {
    Params p;
    auto where = shared_where(filter, after, p);
    auto rows = c.query_once(
        "SELECT m.id, m.envelope FROM message m WHERE " + where + " ORDER BY m.id LIMIT " + std::to_string(limit), p);
    std::vector<Message> messages;
    for (int i = 0; i < rows.size(); ++i)
        if (auto message = message_at(c, rows.text(i, 0), rows.view(i, 1))) messages.push_back(std::move(*message));
    return messages;
}

Result<Trace> SharedView::trace_now(PgConnection& c, const std::string& id) {
    auto rows = c.query("SELECT envelope, finished IS NULL FROM message WHERE id = $1::text", Params().text(id));
    if (rows.size() == 0) return fail(Errc::not_found, "no message " + id + " in the queue or among the traces kept");
    auto message = message_at(c, id, rows.view(0, 0));
    if (!message) return fail(message.error());
    Trace trace{std::move(*message), {}, rows.number(0, 1) != 0};
    auto attempts = c.query("SELECT json FROM attempt WHERE id = $1::text ORDER BY seq", Params().text(id));
    for (int i = 0; i < attempts.size(); ++i) trace.attempts.push_back(attempts.text(i, 0));
    return trace;
}

Result<Counts> SharedView::counts_now(PgConnection& c) {
    auto rows = c.query(
        "SELECT (SELECT count(*) FROM message WHERE finished IS NULL), count(*), "
        "count(*) FILTER (WHERE state = 0 AND (attempts = 0 OR owner IS NOT NULL)), count(*) FILTER (WHERE state = 5), "
        "count(DISTINCT domain), (SELECT received FROM message WHERE finished IS NULL ORDER BY id LIMIT 1) "
        "FROM recipient WHERE state IN (0, 5)");
    auto n = [&](int column) { return static_cast<std::uint64_t>(rows.number(0, column)); };
    Counts counts;
    counts.messages = n(0);
    counts.recipients = n(1);
    counts.active = n(2);
    counts.held = n(3);
    counts.deferred = n(1) - n(2) - n(3);
    counts.destinations = n(4);
    if (!rows.null(0, 5)) counts.oldest = time_from(rows.number(0, 5));
    return counts;
}

Result<std::vector<DomainCount>> SharedView::domains_now(PgConnection& c, const DomainQuery& query) {
    auto rows = c.query(
        "SELECT d.domain, d.n, d.reason, (SELECT received FROM message m WHERE m.id = d.first) FROM (SELECT domain, "
        "count(*) AS n, min(id) AS first, max(reason) AS reason FROM recipient WHERE state IN (0, 5) AND ($3::text = "
        "'' OR strpos(domain, $3::text) > 0) GROUP BY domain HAVING $4::text = '' OR max(reason) = $4::text ORDER BY 2 "
        "DESC, 1 LIMIT $1::bigint OFFSET $2::bigint) d ORDER BY 2 DESC, 1",
        Params()
            .number(static_cast<std::int64_t>(query.limit))
            .number(static_cast<std::int64_t>(query.offset))
            .text(query.contains)
            .text(query.reason));
    std::vector<DomainCount> counts;
    for (int i = 0; i < rows.size(); ++i)
        counts.push_back({rows.text(i, 0), static_cast<std::uint64_t>(rows.number(i, 1)), rows.text(i, 2),
                          rows.null(i, 3) ? Time{} : time_from(rows.number(i, 3))});
    return counts;
}

Result<std::vector<ReasonCount>> SharedView::reasons_now(PgConnection& c) {
    auto rows =
        c.query("SELECT reason, count(*), sum(n)::bigint FROM (SELECT domain, max(reason) AS reason, count(*) "
                "AS n FROM recipient WHERE state IN (0, 5) GROUP BY domain) d GROUP BY reason ORDER BY 3 DESC, 1");
    std::vector<ReasonCount> counts;
    for (int i = 0; i < rows.size(); ++i)
        counts.push_back({rows.text(i, 0), static_cast<std::uint64_t>(rows.number(i, 1)),
                          static_cast<std::uint64_t>(rows.number(i, 2))});
    return counts;
}

} // namespace

Result<std::unique_ptr<View>> Shared::view() {
    return std::make_unique<SharedView>(options_.conninfo);
}

} // namespace danelaw::store
