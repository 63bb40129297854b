// Counts TLS sessions for the day's reports (TR-003, TR-004, TR-010…TR-021). count() costs a map entry; a task of its
// own looks up whether the destination wants reports and adds to the store, so that counts survive a restart (TR-020).
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/resolver/resolver.hpp"
#include "danelaw/store/queue.hpp"
#include "danelaw/tlsrpt/session.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace danelaw::report {

// Where the store keeps what belongs to TLS reports. All keys begin with the day, "2026-11-25 ".
namespace tables {
inline constexpr const char* counts = "tlsrpt-count";    // tlsrpt::Group::key() → sessions
inline constexpr const char* policies = "tlsrpt-policy"; // "DAY DOMAIN DIGEST" → the policy's text
inline constexpr const char* domains =
    "tlsrpt-domain"; // "DAY DOMAIN" → the TXT record last seen; "?" when none could be
inline constexpr const char* states = "tlsrpt-report"; // "DAY DOMAIN" → how far sending has come
} // namespace tables

class TlsCounter {
  public:
    // `executor` is the thread of `resolver`, `queue`'s callers and run().
    TlsCounter(boost::asio::any_io_executor executor, store::Queue& queue, resolver::Resolver& resolver, log::Log& log,
               const Clock& clock);
    ~TlsCounter(); // run() must have ended

    // From any thread. Sessions of TLS reports themselves (TR-018) and of `TLS-Required: No` messages (TR-019) are not
    // counted by the caller.
    void count(const tlsrpt::Session& session);

    boost::asio::awaitable<void> run(); // until stop(); save() after it
    void stop();

    // All that is counted and wanted goes to the store now: flush() waits for DNS, save() doesn't and keeps what nobody
    // may want, for the lookup at report time to decide.
    boost::asio::awaitable<void> flush();
    boost::asio::awaitable<void> save();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::report
