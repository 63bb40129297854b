// First in, first out; an entry is usually erased by the delivery long before its turn comes.
#include "recent.hpp"

#include "danelaw/base/limits.hpp"

#include <algorithm>

namespace danelaw::store {

void Recent::put(Message message, std::string content) {
    Bytes cost = content.size() + 1024 + 512 * message.recipients.size();
    if (content.empty() || cost > most_ / 16) return; // streamed, or too large to be worth its room
    std::scoped_lock lock(mutex_);
    std::string id = message.envelope.id;
    auto [it, fresh] = entries_.try_emplace(id);
    if (!fresh) return;
    it->second = Entry{std::move(message), std::move(content), epoch_, cost};
    bytes_ += cost;
    order_.push_back(std::move(id));
    while (bytes_ > most_ || order_.size() > 2 * entries_.size() + 64) drop_oldest();
}

// `order_` may name entries erased long ago; those cost nothing.
void Recent::drop_oldest() {
    auto it = entries_.find(order_.front());
    order_.pop_front();
    if (it == entries_.end()) return;
    bytes_ -= it->second.cost;
    entries_.erase(it);
}

std::optional<Message> Recent::load(const std::string& id, const std::optional<Numbers>& only) const {
    std::scoped_lock lock(mutex_);
    auto it = entries_.find(id);
    if (it == entries_.end() || it->second.epoch != epoch_ || !it->second.message) return std::nullopt;
    const Message& whole = *it->second.message;
    if (!only) return whole;
    Message part;
    part.envelope = whole.envelope;
    Numbers numbers = *only;
    std::ranges::sort(numbers);
    for (auto number : numbers) {
        const auto* recipient = whole.recipient(number);
        if (recipient == nullptr) return std::nullopt;
        part.recipients.push_back(*recipient);
    }
    return part;
}

std::optional<std::string> Recent::read(const std::string& id, std::uint32_t sequence) const {
    std::scoped_lock lock(mutex_);
    auto it = entries_.find(id);
    if (it == entries_.end()) return std::nullopt;
    const auto& content = it->second.content;
    auto offset = static_cast<std::size_t>(sequence) * limits::chunk;
    if (offset >= content.size()) return std::string();
    return content.substr(offset, limits::chunk);
}

void Recent::erase(const std::string& id) {
    std::scoped_lock lock(mutex_);
    auto it = entries_.find(id);
    if (it == entries_.end()) return;
    bytes_ -= it->second.cost;
    entries_.erase(it);
}

void Recent::changed(const std::string& id) {
    std::scoped_lock lock(mutex_);
    if (auto it = entries_.find(id); it != entries_.end()) it->second.message.reset();
}

void Recent::all_changed() {
    std::scoped_lock lock(mutex_);
    ++epoch_;
}

} // namespace danelaw::store
