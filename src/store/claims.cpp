// A job is one (message, domain) pair; a domain's count falls when the last recipient of a pair is released.
#include "claims.hpp"

#include <algorithm>

namespace danelaw::store {

void Claims::claim(std::int64_t message, const std::string& domain, std::vector<Claimed> recipients) {
    if (recipients.empty()) return;
    std::scoped_lock lock(mutex_);
    auto it = domains_.try_emplace(domain).first;
    auto& list = messages_[message];
    bool known = std::ranges::any_of(list, [&](const Held& h) { return h.domain == &it->first; });
    if (!known) ++it->second.jobs;
    for (auto r : recipients) {
        if (std::ranges::any_of(list, [&](const Held& h) { return h.recipient.number == r.number; })) continue;
        list.push_back({r, &it->first});
        ++claimed_;
        if (r.tried) ++tried_;
    }
}

void Claims::erase_from(std::vector<Held>& list, std::size_t at) {
    Held gone = list[at];
    list[at] = list.back();
    list.pop_back();
    --claimed_;
    if (gone.recipient.tried) --tried_;
    auto it = domains_.find(*gone.domain);
    if (it == domains_.end()) return;
    it->second.next_due = 0;
    if (std::ranges::any_of(list, [&](const Held& h) { return h.domain == gone.domain; })) return;
    if (--it->second.jobs == 0) domains_.erase(it);
}

void Claims::release(std::int64_t message, std::uint32_t number) {
    std::scoped_lock lock(mutex_);
    auto it = messages_.find(message);
    if (it == messages_.end()) return;
    auto& list = it->second;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i].recipient.number != number) continue;
        erase_from(list, i);
        break;
    }
    if (list.empty()) messages_.erase(it);
}

void Claims::release_message(std::int64_t message) {
    std::scoped_lock lock(mutex_);
    auto it = messages_.find(message);
    if (it == messages_.end()) return;
    while (!it->second.empty()) erase_from(it->second, it->second.size() - 1);
    messages_.erase(it);
}

bool Claims::has(std::int64_t message, std::uint32_t number) const {
    std::scoped_lock lock(mutex_);
    auto it = messages_.find(message);
    return it != messages_.end() &&
           std::ranges::any_of(it->second, [&](const Held& h) { return h.recipient.number == number; });
}

bool Claims::has_any(std::int64_t message) const {
    std::scoped_lock lock(mutex_);
    return messages_.contains(message);
}

std::size_t Claims::jobs(const std::string& domain) const {
    std::scoped_lock lock(mutex_);
    auto it = domains_.find(domain);
    return it == domains_.end() ? 0 : it->second.jobs;
}

std::vector<std::pair<std::string, std::size_t>> Claims::all_jobs() const {
    std::scoped_lock lock(mutex_);
    std::vector<std::pair<std::string, std::size_t>> all;
    for (const auto& [name, domain] : domains_) all.emplace_back(name, domain.jobs);
    return all;
}

std::pair<std::size_t, std::size_t> Claims::recipients() const {
    std::scoped_lock lock(mutex_);
    return {claimed_, tried_};
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
