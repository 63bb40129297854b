// Leases: taking them, giving them back, keeping them, and what is cleaned up in idle moments (DQ-006, H135).
#include "shared.hpp"

#include <algorithm>

namespace danelaw::store {
namespace {

struct Flat { // jobs as three columns
    std::vector<std::string> ids;
    std::vector<std::int64_t> numbers, fences;
};
Flat flatten(const std::vector<Job>& jobs) {
    Flat f;
    for (const auto& job : jobs)
        for (auto number : job.recipients) {
            f.ids.push_back(job.id);
            f.numbers.push_back(number);
            f.fences.push_back(static_cast<std::int64_t>(job.fence));
        }
    return f;
}

} // namespace

std::int64_t claim_key(const std::string& id) {
    return static_cast<std::int64_t>(std::hash<std::string>{}(id));
}

bool Shared::sure_of(const std::vector<Job>& jobs) const {
    return std::ranges::all_of(jobs, [this](const Job& job) { return heartbeat_->sure_of(job.fence); });
}

void Shared::serve(Op& op) {
    try {
        auto& c = connection();
        if (auto* work = std::get_if<ClaimWork>(&op.work)) claim(c, *work);
        if (auto* work = std::get_if<ReleaseWork>(&op.work)) release(c, work->jobs);
        if (auto* work = std::get_if<RenewWork>(&op.work))
            if (auto kept = renew(c, work->jobs); !kept) op.error = kept.error();
        if (auto* work = std::get_if<DutyWork>(&op.work))
            work->mine = c.query("SELECT take_duty($1::text, $2::text, $3::bigint)",
                                 Params().text(work->name).text(options_.owner).number(work->time.count()))
                             .number(0, 0) > 0;
        if (auto* work = std::get_if<NextDueWork>(&op.work)) {
            auto rows = c.query("SELECT min(due) FROM recipient WHERE state = 0 AND owner IS NULL");
            work->due = rows.null(0, 0) ? Time::max() : time_from(rows.number(0, 0));
        }
    } catch (const PgError& e) {
        lost(e);
        op.error = e.error();
    }
}

void Shared::claim(PgConnection& c, ClaimWork& work) {
    work.jobs.clear();
    const auto& request = work.request;
    latest_ = std::max(latest_, millis(request.now));
    std::vector<std::string> excluded = request.skip, busy;
    std::vector<std::int64_t> used;
    for (auto& [domain, jobs] : claims_.all_jobs()) {
        if (jobs >= request.per_domain) {
            excluded.push_back(domain);
        } else {
            busy.push_back(domain);
            used.push_back(static_cast<std::int64_t>(jobs));
        }
    }
    Params p;
    p.text(options_.owner).number(options_.lease.count()).number(millis(request.now));
    p.number(static_cast<std::int64_t>(request.limit)).number(static_cast<std::int64_t>(request.per_domain));
    p.texts(excluded).texts(busy).numbers(used);
    auto rows =
        c.query("SELECT * FROM claim($1::text, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::text[], $7::text[], "
                "$8::bigint[])",
                p);
    std::unordered_map<std::string, std::size_t> at; // id and domain → job
    for (int i = 0; i < rows.size(); ++i) {
        auto [it, fresh] = at.try_emplace(rows.text(i, 0) + " " + rows.text(i, 1), work.jobs.size());
        if (fresh) {
            Job job;
            job.id = rows.text(i, 0);
            job.domain = rows.text(i, 1);
            job.due = time_from(rows.number(i, 4));
            job.fence = static_cast<std::uint64_t>(rows.number(i, 5));
            job.received_at = time_from(rows.number(i, 6));
            job.size = static_cast<Bytes>(rows.number(i, 7));
            job.reverse_path = rows.text(i, 8);
            work.jobs.push_back(std::move(job));
        }
        auto& job = work.jobs[it->second];
        job.recipients.push_back(static_cast<std::uint32_t>(rows.number(i, 2)));
        job.attempts = std::max(job.attempts, static_cast<std::uint32_t>(rows.number(i, 3)));
        claims_.claim(claim_key(job.id), job.domain, {{job.recipients.back(), rows.number(i, 3) > 0}});
    }
}

void Shared::release(PgConnection& c, const std::vector<Job>& jobs) {
    auto f = flatten(jobs);
    for (std::size_t i = 0; i < f.ids.size(); ++i)
        claims_.release(claim_key(f.ids[i]), static_cast<std::uint32_t>(f.numbers[i]));
    c.query("UPDATE recipient r SET owner = NULL, lease = NULL FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS "
            "t(id, "
            "number, fence) WHERE r.id = t.id AND r.number = t.number AND r.fence = t.fence",
            Params().texts(f.ids).numbers(f.numbers).numbers(f.fences));
}

// A lease that ran out but was taken by nobody is still ours: the token tells.
Result<void> Shared::renew(PgConnection& c, const std::vector<Job>& jobs) {
    auto f = flatten(jobs);
    c.query("SELECT present($1::text, $2::bigint)", Params().text(options_.owner).number(options_.lease.count()));
    auto rows = c.query(
        "UPDATE recipient r SET owner = $4::text FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS t(id, number, "
        "fence) WHERE r.id = t.id AND r.number = t.number AND r.fence = t.fence AND r.state IN (0, 5)",
        Params().texts(f.ids).numbers(f.numbers).numbers(f.fences).text(options_.owner));
    if (rows.affected() < static_cast<int>(f.ids.size())) return fail(Errc::stale, "a lease was lost");
    return {};
}

std::optional<Millis> Shared::housekeep(Millis /*rested*/) {
    if (Steady::now() < next_tidy_) return std::nullopt;
    next_tidy_ = Steady::now() + std::chrono::seconds(10);
    try {
        auto& c = connection();
        // DQ-002: pieces of a message whose relay died while it arrived.
        c.query("DELETE FROM chunk WHERE id IN (SELECT id FROM pending WHERE touched < now() - interval '1 hour')");
        c.query("DELETE FROM pending WHERE touched < now() - interval '1 hour'");
        while (purge(c)) {
        }
    } catch (const PgError& e) {
        lost(e);
    }
    return std::nullopt;
}

bool Shared::purge(PgConnection& c) {
    finished_since_purge_ = 0;
    auto most = static_cast<std::int64_t>(options_.traces_most);
    auto rows = c.query(
        "WITH newest AS (SELECT finished FROM message WHERE finished IS NOT NULL ORDER BY finished DESC, id DESC "
        "OFFSET "
        "$2::bigint LIMIT 1), old AS (SELECT id FROM message WHERE finished IS NOT NULL AND (finished < $1::bigint OR "
        "finished <= (SELECT finished FROM newest)) ORDER BY finished, id LIMIT least(500, greatest(1, (SELECT "
        "count(*) FROM message WHERE finished IS NOT NULL) - $2::bigint)) FOR UPDATE SKIP LOCKED), a AS (DELETE FROM "
        "attempt WHERE id IN (SELECT id FROM old)), r AS (DELETE FROM recipient WHERE id IN (SELECT id FROM old)) "
        "DELETE FROM message WHERE id IN (SELECT id FROM old)",
        Params().number(latest_ - options_.trace_kept.count()).number(most));
    return rows.affected() > 0;
}

} // namespace danelaw::store
