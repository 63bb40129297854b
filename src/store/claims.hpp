// Who is being tried right now by this process (DQ-006, embedded store). In memory: one process owns the directory, so
// its claims end with it. Written by the writer thread, asked by readers too: locked.
#pragma once

#include "danelaw/store/queue.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace danelaw::store {

// Pure: what a message just added has due at once, a job for each domain; who adds it claims them in the same step.
std::vector<Job> due_jobs(const Message& added);

class Claims {
  public:
    struct Claimed {
        std::uint32_t number = 0;
        bool tried = false; // had attempts before this claim
    };

    void claim(std::int64_t message, const std::string& domain, std::vector<Claimed> recipients);
    void release(std::int64_t message, std::uint32_t number);

    bool has(std::int64_t message, std::uint32_t number) const;
    std::size_t jobs(const std::string& domain) const;
    std::vector<std::pair<std::string, std::size_t>> all_jobs() const; // by domain
    std::pair<std::size_t, std::size_t> recipients() const;            // claimed; of these tried before

    // When the domain's next unclaimed recipient is due, as found by the last walk over it; 0: not known. Lets claim()
    // skip a domain whose due recipients are all being tried.
    std::int64_t next_due(const std::string& domain) const;
    void set_next_due(const std::string& domain, std::int64_t due);
    void forget_next_due(const std::string& domain);

  private:
    struct Domain {
        std::unordered_map<std::int64_t, std::size_t> jobs; // by message: how many of its recipients
        std::int64_t next_due = 0;
    };
    using Domains = std::unordered_map<std::string, Domain>;
    struct Key {
        std::int64_t message = 0;
        std::uint32_t number = 0;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Held {
        bool tried = false;
        Domains::pointer domain = nullptr;
    };

    // No list of a message's recipients is ever walked: there may be tens of thousands, claimed and released one by
    // one.
    mutable std::mutex mutex_;
    std::unordered_map<Key, Held, KeyHash> recipients_;
    Domains domains_;
    std::size_t tried_ = 0;
};

} // namespace danelaw::store
