// What is due next (DQ-015, DQ-016). Destinations are walked by their earliest due time, and each only as far as there
// is room, so neither a million deferred rows nor one destination's 200,000 are ever scanned.
#include "embedded.hpp"

#include <algorithm>
#include <unordered_set>

namespace danelaw::store {

// Destinations with something due that may be claimed, the longest waiting first.
std::vector<std::string> Embedded::due_domains(const ClaimRequest& request) {
    std::unordered_set<std::string_view> skip(request.skip.begin(), request.skip.end());
    std::vector<std::string> names;
    auto now = millis(request.now);
    auto q = db_.query("SELECT name FROM domain INDEXED BY domain_due WHERE queued > 0 AND due <= ? ORDER BY due", now);
    while (names.size() < request.limit && q.row()) {
        if (skip.contains(q.view(0))) continue;
        auto name = q.text(0);
        auto next = claims_.next_due(name);
        if (next > now || claims_.jobs(name) >= request.per_domain) continue;
        names.push_back(std::move(name));
    }
    return names;
}

// Two rounds: first an even share for each destination, so that a huge one doesn't take all the room; then what is
// left.
void Embedded::claim(ClaimWork& work) {
    work.jobs.clear();
    const auto& request = work.request;
    latest_ = std::max(latest_, millis(request.now));
    auto names = due_domains(request);
    if (names.empty()) return;
    auto share = std::max<std::size_t>(1, request.limit / names.size());
    for (auto most : {share, request.limit})
        for (const auto& name : names) {
            auto room = request.limit - work.jobs.size();
            auto used = claims_.jobs(name);
            if (room == 0) return;
            if (used >= request.per_domain || claims_.next_due(name) > millis(request.now)) continue;
            claim_domain(name, work, std::min({most, room, request.per_domain - used}));
        }
}

std::size_t Embedded::claim_domain(const std::string& domain, ClaimWork& work, std::size_t most) {
    auto now = millis(work.request.now);
    std::size_t taken = 0;
    auto q = db_.query(
        "SELECT key, due FROM recipient INDEXED BY recipient_due WHERE domain = ? AND state = 0 ORDER BY due", domain);
    while (q.row()) {
        if (claims_.has(num_of(q.integer(0)), static_cast<std::uint32_t>(q.integer(0) & 65535))) continue;
        if (q.integer(1) > now) {
            claims_.set_next_due(domain, q.integer(1));
            return taken;
        }
        if (taken == most) return taken;
        if (auto job = claim_message(domain, q.integer(0), now)) {
            work.jobs.push_back(std::move(*job));
            ++taken;
        }
    }
    claims_.set_next_due(domain, never);
    return taken;
}

// All due recipients of the message in this domain make one job; `key` is one of them.
std::optional<Job> Embedded::claim_message(const std::string& domain, std::int64_t key, std::int64_t now) {
    Job job;
    const auto num = num_of(key);
    bool alone = false;
    {
        auto q = db_.query("SELECT id, received, size, sender, open FROM message WHERE num = ?", num);
        if (!q.row()) return std::nullopt; // damage: a recipient without its message
        job.id = q.text(0);
        job.received_at = time_from(q.integer(1));
        job.size = static_cast<Bytes>(q.integer(2));
        job.reverse_path = q.text(3);
        alone = q.integer(4) == 1;
    }
    job.domain = domain;
    std::int64_t due = never;
    std::vector<Claims::Claimed> claimed;
    const auto first = alone ? key : key_of(num, 0), last = alone ? key : key_of(num, 65535);
    const char* of_message = "SELECT key, due, attempts FROM recipient NOT INDEXED WHERE key BETWEEN ? AND ? AND state "
                             "= 0 AND due <= ? AND domain = ?";
    const char* of_domain = "SELECT key, due, attempts FROM recipient INDEXED BY recipient_due WHERE key BETWEEN ?1 "
                            "AND ?2 AND state = 0 AND due <= ?3 AND domain = ?4 ORDER BY key";
    const bool by_domain = !alone && nearer(db_, num, domain) == Nearer::domain;
    auto q = db_.query(by_domain ? of_domain : of_message, first, last, now, domain);
    while (q.row()) {
        auto number = static_cast<std::uint32_t>(q.integer(0) & 65535);
        if (claims_.has(num, number)) continue;
        job.recipients.push_back(number);
        job.attempts = std::max(job.attempts, static_cast<std::uint32_t>(q.integer(2)));
        due = std::min(due, q.integer(1));
        claimed.push_back({number, q.integer(2) > 0});
        just_claimed_.emplace_back(num, number);
    }
    if (claimed.empty()) return std::nullopt;
    job.due = time_from(due);
    claims_.claim(num, domain, std::move(claimed));
    return job;
}

void Embedded::next_due(NextDueWork& work) {
    std::int64_t best = never;
    auto q = db_.query("SELECT name, due FROM domain INDEXED BY domain_due WHERE queued > 0 ORDER BY due");
    while (q.row() && q.integer(1) < best) {
        auto name = q.text(0);
        best = std::min(best, claims_.jobs(name) == 0 ? q.integer(1) : unclaimed_due(name));
    }
    work.due = best == never ? Time::max() : time_from(best);
}

std::int64_t Embedded::unclaimed_due(const std::string& domain) {
    if (auto known = claims_.next_due(domain); known != 0) return known;
    auto q = db_.query(
        "SELECT key, due FROM recipient INDEXED BY recipient_due WHERE domain = ? AND state = 0 ORDER BY due", domain);
    std::int64_t due = never;
    while (q.row()) {
        if (claims_.has(num_of(q.integer(0)), static_cast<std::uint32_t>(q.integer(0) & 65535))) continue;
        due = q.integer(1);
        break;
    }
    claims_.set_next_due(domain, due);
    return due;
}

void Embedded::release(const ReleaseWork& work) {
    for (const auto& job : work.jobs) {
        std::int64_t num = 0;
        {
            auto q = db_.query("SELECT num FROM message WHERE id = ?", job.id);
            if (!q.row()) continue;
            num = q.integer(0);
        }
        for (auto number : job.recipients) claims_.release(num, number);
    }
}

} // namespace danelaw::store
