// How the relays of a shared queue know that this one lives, and how this one knows that they do: a row of its own,
// beaten several times in a lease, on a connection and a thread of its own, so that slow work delays no beat (DQ-006).
#pragma once

#include "danelaw/base/time.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace danelaw::store {

class PgConnection;

class Heartbeat {
  public:
    // The first beat is made at once. Throws PgError.
    Heartbeat(std::string conninfo, std::string owner, Millis lease);
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

    // Beyond doubt still ours: claimed since we were last taken for dead, and nobody can take us for dead yet.
    bool sure_of(std::uint64_t fence) const;
    std::size_t relays() const { return relays_; } // alive, this one among them
    std::string trouble() const;                   // why there is no beat at present; empty: there is

  private:
    void run();
    void beat();
    std::string conninfo_, owner_;
    Millis lease_;
    std::unique_ptr<PgConnection> connection_;
    std::atomic<std::uint64_t> floor_ = 0;
    std::atomic<std::int64_t> sure_until_ = 0; // by the clock that goes on while the machine sleeps
    std::atomic<std::size_t> relays_ = 1;
    mutable std::mutex mutex_;
    std::condition_variable stop_;
    std::string trouble_;
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace danelaw::store
