// Mail just added, kept in memory so that its first delivery needs no read. Bounded; the oldest goes first. Used from
// io threads and the writer: locked.
#pragma once

#include "danelaw/store/queue.hpp"

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace danelaw::store {

class Recent {
  public:
    explicit Recent(Bytes most) : most_(most) {}

    void put(Message message, std::string content);
    std::optional<Message> load(const std::string& id, const std::optional<Numbers>& only) const;
    // nullopt: not here; ask the database.
    std::optional<std::string> read(const std::string& id, std::uint32_t sequence) const;
    void erase(const std::string& id);
    void changed(const std::string& id); // its recipients' states are no longer what they were; content is
    void all_changed();

  private:
    struct Entry {
        std::optional<Message> message;
        std::string content;
        std::uint64_t epoch = 0;
        Bytes cost = 0;
    };
    void drop_oldest();

    const Bytes most_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;
    std::deque<std::string> order_;
    Bytes bytes_ = 0;
    std::uint64_t epoch_ = 0;
};

} // namespace danelaw::store
