// Who is being tried right now by this process (DQ-006, embedded store). In memory: one process owns the directory, so
// its claims end with it. Written by the writer thread, asked by readers too: locked.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace danelaw::store {

class Claims {
  public:
    struct Claimed {
        std::uint32_t number = 0;
        bool tried = false; // had attempts before this claim
    };

    void claim(std::int64_t message, const std::string& domain, std::vector<Claimed> recipients);
    void release(std::int64_t message, std::uint32_t number);
    void release_message(std::int64_t message);

    bool has(std::int64_t message, std::uint32_t number) const;
    bool has_any(std::int64_t message) const;
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
        std::size_t jobs = 0;
        std::int64_t next_due = 0;
    };
    struct Held {
        Claimed recipient;
        const std::string* domain = nullptr; // key of domains_
    };
    void erase_from(std::vector<Held>& list, std::size_t at);

    mutable std::mutex mutex_;
    std::unordered_map<std::int64_t, std::vector<Held>> messages_;
    std::unordered_map<std::string, Domain> domains_;
    std::size_t claimed_ = 0, tried_ = 0;
};

} // namespace danelaw::store
