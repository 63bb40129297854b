// A job is one (message, domain) pair; a domain's count falls when the last recipient of a pair is released.
#include "claims.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace danelaw::store {

std::vector<Job> due_jobs(const Message& added) {
    const auto& envelope = added.envelope;
    std::vector<Job> jobs;
    std::unordered_map<std::string_view, std::size_t> places; // domain → job
    for (const auto& r : added.recipients) {
        if (r.state != message::RecipientState::queued || r.next_attempt > envelope.received_at) continue;
        auto [place, fresh_domain] = places.try_emplace(r.domain, jobs.size());
        if (fresh_domain) {
            Job fresh;
            fresh.id = envelope.id;
            fresh.domain = r.domain;
            fresh.received_at = envelope.received_at;
            fresh.due = r.next_attempt;
            fresh.size = envelope.content.size;
            fresh.reverse_path = envelope.reverse_path;
            jobs.push_back(std::move(fresh));
        }
        auto& job = jobs[place->second];
        job.recipients.push_back(r.number);
        job.attempts = std::max(job.attempts, r.attempts);
    }
    return jobs;
}

std::size_t Claims::KeyHash::operator()(const Key& key) const {
    return std::hash<std::uint64_t>{}((static_cast<std::uint64_t>(key.message) << 16U) ^ key.number);
}

void Claims::claim(std::int64_t message, const std::string& domain, std::vector<Claimed> recipients) {
    if (recipients.empty()) return;
    std::scoped_lock lock(mutex_);
    auto& entry = *domains_.try_emplace(domain).first;
    for (auto r : recipients) {
        if (!recipients_.try_emplace(Key{message, r.number}, Held{r.tried, &entry}).second) continue;
        ++entry.second.jobs[message];
        if (r.tried) ++tried_;
    }
    if (entry.second.jobs.empty()) domains_.erase(domain);
}

void Claims::release(std::int64_t message, std::uint32_t number) {
    std::scoped_lock lock(mutex_);
    auto it = recipients_.find(Key{message, number});
    if (it == recipients_.end()) return;
    auto& [name, domain] = *it->second.domain;
    if (it->second.tried) --tried_;
    recipients_.erase(it);
    domain.next_due = 0;
    auto job = domain.jobs.find(message);
    if (job != domain.jobs.end() && --job->second == 0) domain.jobs.erase(job);
    if (domain.jobs.empty()) domains_.erase(domains_.find(name));
}

bool Claims::has(std::int64_t message, std::uint32_t number) const {
    std::scoped_lock lock(mutex_);
    return recipients_.contains(Key{message, number});
}

std::size_t Claims::jobs(const std::string& domain) const {
    std::scoped_lock lock(mutex_);
    auto it = domains_.find(domain);
    return it == domains_.end() ? 0 : it->second.jobs.size();
}

std::vector<std::pair<std::string, std::size_t>> Claims::all_jobs() const {
    std::scoped_lock lock(mutex_);
    std::vector<std::pair<std::string, std::size_t>> all;
    for (const auto& [name, domain] : domains_) all.emplace_back(name, domain.jobs.size());
    return all;
}

std::pair<std::size_t, std::size_t> Claims::recipients() const {
    std::scoped_lock lock(mutex_);
    return {recipients_.size(), tried_};
}

std::int64_t Claims::next_due(const std::string& domain) const {
    std::scoped_lock lock(mutex_);
    auto it = domains_.find(domain);
    return it == domains_.end() ? 0 : it->second.next_due;
}

void Claims::set_next_due(const std::string& domain, std::int64_t due) {
    std::scoped_lock lock(mutex_);
    if (auto it = domains_.find(domain); it != domains_.end()) it->second.next_due = due;
}

void Claims::forget_next_due(const std::string& domain) {
    set_next_due(domain, 0);
}

} // namespace danelaw::store
