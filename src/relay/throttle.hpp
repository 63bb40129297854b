// May this address try to log in as this user now? Failures are counted per address, and per address and user:
// strangers elsewhere cannot lock a user out (SS-086). Pure but for its own memory, which is bounded.
#pragma once

#include "danelaw/base/ip.hpp"
#include "danelaw/base/time.hpp"

#include <cstddef>
#include <string>
#include <unordered_map>

namespace danelaw::relay {

// Whom failures are counted for: an IPv4 address, or an IPv6 network of 64 bits, in which a client may take any
// address.
std::string origin_of(const IpAddress& client);

class Throttle {
  public:
    static constexpr int per_address = 30; // failures within the window
    static constexpr int per_user = 10;    // of one user from one address
    static constexpr Millis window = std::chrono::minutes(10);
    static constexpr std::size_t entries = 20000;

    // `address` is an origin_of(), or empty for a unix socket.
    bool allows(const std::string& address, const std::string& user, Time now);
    void failed(const std::string& address, const std::string& user, Time now);
    void succeeded(const std::string& address, const std::string& user);
    std::size_t size() const { return counts_.size(); }

  private:
    struct Count {
        int failures = 0;
        Time since{};
    };
    bool below(const std::string& key, int most, Time now);
    void count(const std::string& key, Time now);
    std::unordered_map<std::string, Count> counts_;
    Time swept_{};
};

} // namespace danelaw::relay
