// One batch in one pipelined transaction: everything is sent, then the answers are read, then the commit's.
#include "shared.hpp"

#include "crc32c.hpp"
#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

constexpr const char* sql_begin = "BEGIN";
constexpr const char* sql_commit = "COMMIT";
constexpr const char* sql_relax = "SET LOCAL synchronous_commit = off";
constexpr const char* sql_pending =
    "INSERT INTO pending VALUES($1::text, now()) ON CONFLICT(id) DO UPDATE SET touched = now()";
constexpr const char* sql_append = "INSERT INTO chunk VALUES($1::text, $2::bigint, $3::bigint, $4::bytea) "
                                   "ON CONFLICT(id, seq) DO UPDATE SET crc = excluded.crc, octets = excluded.octets";
constexpr const char* sql_discard_chunks = "DELETE FROM chunk WHERE id = (SELECT id FROM pending WHERE id = $1::text)";
constexpr const char* sql_discard = "DELETE FROM pending WHERE id = $1::text";
constexpr const char* sql_present = "SELECT present($1::text, $2::bigint)";
constexpr const char* sql_add =
    "SELECT add_message($1::bigint, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::text, $7::bytea, $8::bigint, "
    "$9::bigint[], $10::bytea[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], "
    "$16::bigint[], "
    "$17::bytea[], $18::bytea[], $19::text[], $20::text[], $21::bigint[], $22::text, $23::bytea[])";
constexpr const char* sql_record =
    "SELECT removed, stale FROM record_outcome($1::text, $2::bigint, $3::text, "
    "$4::bigint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::bigint[], $9::bytea[], $10::text[], $11::text[], $12::bytea[], $13::bigint)";
constexpr const char* sql_put =
    "INSERT INTO kv VALUES($1::text, $2::bytea, $3::bytea) ON CONFLICT(tbl, key) DO UPDATE SET "
    "value = excluded.value";
constexpr const char* sql_unput = "DELETE FROM kv WHERE tbl = $1::text AND key = $2::bytea";
constexpr const char* sql_count =
    "INSERT INTO kv VALUES($1::text, $2::bytea, convert_to($3::bigint::text, 'UTF8')) ON CONFLICT(tbl, key) DO UPDATE "
    "SET "
    "value = convert_to((convert_from(kv.value, 'UTF8')::bigint + $3::bigint)::text, 'UTF8')";
constexpr const char* sql_aside =
    "UPDATE recipient SET state = 100, owner = NULL, lease = NULL, fence = nextval('fence') "
    "WHERE id = $1::text AND state IN (0, 5)";
constexpr const char* sql_damaged = "INSERT INTO damaged VALUES($1::text, $2::text) ON CONFLICT DO NOTHING";

bool claims_now(const Op* op) {
    const auto* add = std::get_if<AddWork>(&op->work);
    return add != nullptr && add->claiming == Claiming::now;
}

bool is_durable(const Op* op) {
    return !std::holds_alternative<AppendWork>(op->work) && !std::holds_alternative<DiscardWork>(op->work);
}

std::string utf8(const std::string& s) {
    return is_utf8(s) ? s : printable(s);
}

// The order in which rows are locked, the same in every relay: messages by id, then counters.
std::string lock_order(const Op* op) {
    if (const auto* record = std::get_if<RecordWork>(&op->work)) return "1" + record->record.id;
    if (const auto* put = std::get_if<PutWork>(&op->work)) return "2" + put->table + put->key;
    if (const auto* count = std::get_if<CountWork>(&op->work)) return "3" + count->table;
    if (std::holds_alternative<ActWork>(op->work)) return "9"; // after the pipelined ones
    return "0";
}

// Stable: a message's pieces stay in their order.
std::vector<Op*> in_lock_order(std::span<Op* const> batch) {
    std::vector<std::pair<std::string, std::size_t>> order;
    for (std::size_t i = 0; i < batch.size(); ++i) order.emplace_back(lock_order(batch[i]), i);
    std::ranges::sort(order);
    std::vector<Op*> ops;
    for (const auto& [key, i] : order) ops.push_back(batch[i]);
    return ops;
}

} // namespace

Result<void> Shared::commit(std::span<Op* const> batch) {
    auto ops = in_lock_order(batch);
    auto middle = std::ranges::find_if(ops, [](Op* op) { return std::holds_alternative<ActWork>(op->work); });
    bool sent = false; // from here on the server may have committed
    try {
        auto& c = connection();
        for (const char* sql :
             {sql_begin, sql_commit, sql_relax, sql_pending, sql_append, sql_discard_chunks, sql_discard, sql_present,
              sql_add, sql_record, sql_put, sql_unput, sql_count, sql_aside, sql_damaged})
            c.prepare(sql);
        bool durable = std::ranges::any_of(ops, is_durable);
        bool acts = middle != ops.end();
        bool claims = std::ranges::any_of(ops, claims_now);
        c.begin_pipeline();
        c.send(sql_begin);
        if (!durable) c.send(sql_relax);
        if (claims) c.send(sql_present, Params().text(options_.owner).number(options_.lease.count()));
        for (auto it = ops.begin(); it != middle; ++it) send(c, **it);
        if (!acts) c.send(sql_commit);
        sent = true;
        c.flush();
        c.receive();
        if (!durable) c.receive();
        if (claims) c.receive();
        for (auto it = ops.begin(); it != middle; ++it) receive(c, **it);
        if (!acts) c.receive();
        c.end_pipeline();
        for (auto it = middle; it != ops.end(); ++it) act(c, std::get<ActWork>((*it)->work));
        if (acts) c.execute("COMMIT");
        for (Op* op : ops) committed(*op);
        if (finished_since_purge_ > options_.traces_most / 10) purge(c);
    } catch (const PgError& e) {
        lost(e);
        for (Op* op : ops)
            if (const auto* add = std::get_if<AddWork>(&op->work); add != nullptr && sent && !connection_)
                unsure_.push_back(add->message.message.envelope.id);
        return fail(e.error());
    }
    return {};
}

void Shared::send(PgConnection& c, Op& op) {
    if (auto* add = std::get_if<AddWork>(&op.work)) return send(c, *add, op);
    if (auto* record = std::get_if<RecordWork>(&op.work)) return send(c, *record);
    if (auto* counts = std::get_if<CountWork>(&op.work)) return send(c, *counts);
    if (auto* append = std::get_if<AppendWork>(&op.work)) {
        c.send(sql_pending, Params().text(append->id));
        c.send(
            sql_append,
            Params().text(append->id).number(append->sequence).number(crc32c(append->octets)).octets(append->octets));
    } else if (auto* discard = std::get_if<DiscardWork>(&op.work)) {
        c.send(sql_discard_chunks, Params().text(discard->id));
        c.send(sql_discard, Params().text(discard->id));
    } else if (auto* put = std::get_if<PutWork>(&op.work)) {
        if (put->value.empty())
            c.send(sql_unput, Params().text(put->table).octets(put->key));
        else
            c.send(sql_put, Params().text(put->table).octets(put->key).octets(put->value));
    } else if (auto* aside = std::get_if<SetAsideWork>(&op.work)) {
        c.send(sql_aside, Params().text(aside->id));
        c.send(sql_damaged, Params().text(aside->id).text(utf8(aside->why)));
    }
}

void Shared::receive(PgConnection& c, Op& op) {
    if (auto* add = std::get_if<AddWork>(&op.work)) return receive(c, *add, op);
    if (auto* record = std::get_if<RecordWork>(&op.work)) return receive(c, *record, op);
    if (auto* counts = std::get_if<CountWork>(&op.work)) {
        for (std::size_t n = counts->counts.size(); n > 0; --n) c.receive();
        return;
    }
    c.receive();
    if (std::holds_alternative<PutWork>(op.work)) return;
    auto rows = c.receive();
    if (std::holds_alternative<SetAsideWork>(op.work) && rows.affected() == 0)
        op.error = Error{Errc::not_found, "set aside already"};
}

void Shared::send(PgConnection& c, CountWork& work) {
    std::ranges::sort(work.counts); // the same order in every relay: no deadlock
    for (const auto& [key, n] : work.counts) c.send(sql_count, Params().text(work.table).octets(key).number(n));
}

Result<Params> Shared::message_params(const NewMessage& message, Claiming claiming, bool notice) {
    auto envelope = message.message.envelope;
    std::uint32_t first = 0;
    envelope.content.size = message.content.size();
    if (auto it = appended_.find(envelope.id); it != appended_.end()) {
        if (!it->second.whole()) return fail(Errc::limit, "a piece of the content is missing");
        first = static_cast<std::uint32_t>(it->second.pieces.size());
        for (const auto& [sequence, octets] : it->second.pieces) envelope.content.size += octets;
    }
    std::vector<std::int64_t> crcs, numbers, states, dues, attempts, notified, claims;
    std::vector<std::string_view> pieces, addresses, lasts;
    std::vector<std::string> domains, reasons, hosts;
    for (std::string_view rest = message.content; !rest.empty(); rest.remove_prefix(pieces.back().size())) {
        pieces.push_back(rest.substr(0, limits::chunk));
        crcs.push_back(crc32c(pieces.back()));
    }
    std::vector<RecipientRow> rows;
    std::int64_t open = 0;
    for (const auto& r : message.message.recipients) {
        rows.push_back(to_row(r));
        bool now = claiming == Claiming::now && r.state == message::RecipientState::queued &&
                   r.next_attempt <= envelope.received_at;
        claims.push_back(now ? 1 : 0);
        auto last = tried(r.last);
        reasons.push_back(std::move(last.reason));
        hosts.push_back(utf8(last.host));
        open += is_open(rows.back().state) ? 1 : 0;
    }
    for (const auto& row : rows) {
        numbers.push_back(row.number);
        domains.push_back(utf8(row.domain));
        states.push_back(row.state);
        dues.push_back(row.due);
        attempts.push_back(row.attempts);
        notified.push_back(row.notified);
        addresses.emplace_back(row.address);
        lasts.emplace_back(row.last);
    }
    std::vector<std::string_view> traces(message.attempts.begin(), message.attempts.end());
    Params p;
    p.number(notice ? 1 : 0).text(envelope.id).number(millis(envelope.received_at));
    p.number(static_cast<std::int64_t>(envelope.content.size)).number(open).text(utf8(envelope.reverse_path));
    p.octets(encode(envelope))
        .number(first)
        .numbers(crcs)
        .blobs(pieces)
        .numbers(numbers)
        .texts(domains)
        .numbers(states);
    p.numbers(dues)
        .numbers(attempts)
        .numbers(notified)
        .blobs(addresses)
        .blobs(lasts)
        .texts(reasons)
        .texts(hosts)
        .numbers(claims);
    p.text(options_.owner).blobs(traces);
    latest_ = std::max(latest_, millis(envelope.received_at));
    return p;
}

void Shared::send(PgConnection& c, AddWork& work, Op& op) {
    work.jobs.clear();
    auto params = message_params(work.message, work.claiming, false);
    if (params) return c.send(sql_add, *params);
    op.error = params.error();
}

void Shared::receive(PgConnection& c, AddWork& work, Op& op) {
    if (op.error) return; // refused before it was sent
    auto fence = c.receive().number(0, 0);
    const auto& envelope = work.message.message.envelope;
    if (fence < 0) {
        op.error = Error{Errc::limit, "id " + envelope.id + " is in the queue already"};
        return;
    }
    if (work.claiming == Claiming::later) return;
    work.jobs = due_jobs(work.message.message);
    for (auto& job : work.jobs) job.fence = static_cast<std::uint64_t>(fence);
}

void Shared::send(PgConnection& c, RecordWork& work) {
    work.recorded = {};
    const auto& record = work.record;
    std::vector<std::int64_t> numbers, states, dues, counts, notified;
    std::vector<std::string> lasts, reasons, hosts;
    for (const auto& u : record.updates) {
        numbers.push_back(u.number);
        states.push_back(code(u.state));
        dues.push_back(millis(u.next_attempt));
        counts.push_back(u.count_attempt ? 1 : 0);
        notified.push_back(u.delay_notified ? 1 : 0);
        lasts.push_back(u.outcome ? encode(*u.outcome) : "");
        auto last = tried(u.outcome);
        reasons.push_back(std::move(last.reason));
        hosts.push_back(utf8(last.host));
    }
    std::vector<std::string_view> last_views(lasts.begin(), lasts.end()),
        traces(record.attempts.begin(), record.attempts.end());
    Params p;
    p.text(record.id)
        .number(static_cast<std::int64_t>(record.fence))
        .text(options_.owner)
        .numbers(numbers)
        .numbers(states);
    p.numbers(dues)
        .numbers(counts)
        .numbers(notified)
        .blobs(last_views)
        .texts(reasons)
        .texts(hosts)
        .blobs(traces)
        .number(latest_);
    c.send(sql_record, p);
    for (const auto& notice : record.notices) {
        auto params = message_params(notice, Claiming::later, true);
        if (params) {
            c.send(sql_add, *params);
            continue;
        }
        PgError e{params.error().code, params.error().detail};
        throw e;
    }
}

void Shared::receive(PgConnection& c, RecordWork& work, Op& op) {
    auto rows = c.receive();
    auto removed = rows.number(0, 0);
    for (auto number : rows.numbers(0, 1)) work.recorded.stale.push_back(static_cast<std::uint32_t>(number));
    work.recorded.removed = removed == 1;
    for (std::size_t n = work.record.notices.size(); n > 0; --n) {
        if (c.receive().number(0, 0) != -1) continue;
        PgError e{Errc::limit, "a notice's id is in the queue already"};
        throw e;
    }
    if (removed == -1)
        op.error = Error{Errc::stale, "recipients of " + work.record.id + " were closed or taken meanwhile"};
}

// What this process remembers, once it is stable.
void Shared::committed(Op& op) {
    if (auto* append = std::get_if<AppendWork>(&op.work)) {
        appended_[append->id].pieces[append->sequence] = append->octets.size();
    } else if (auto* discard = std::get_if<DiscardWork>(&op.work)) {
        appended_.erase(discard->id);
    } else if (auto* add = std::get_if<AddWork>(&op.work); add != nullptr && !op.error) {
        appended_.erase(add->message.message.envelope.id);
        for (const auto& job : add->jobs) {
            std::vector<Claims::Claimed> claimed;
            for (auto number : job.recipients) claimed.push_back({number, false});
            claims_.claim(claim_key(job.id), job.domain, std::move(claimed));
        }
    } else if (auto* record = std::get_if<RecordWork>(&op.work)) {
        for (const auto& u : record->record.updates) claims_.release(claim_key(record->record.id), u.number);
        if (record->recorded.removed) ++finished_since_purge_;
    }
}

} // namespace danelaw::store
