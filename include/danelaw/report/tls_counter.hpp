// Counts TLS sessions for the day's reports (TR-003, TR-004, TR-010…TR-021). count() costs a map entry; a task of its
// own looks up whether the destination wants reports and adds to the store, so that counts survive a restart (TR-020).
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/resolver/resolver.hpp"
#include "danelaw/store/queue.hpp"
#include "danelaw/tlsrpt/session.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace danelaw::report {

class TlsCounter {
  public:
    // `executor` is the thread of `resolver`.
    TlsCounter(boost::asio::any_io_executor executor, store::Queue& queue, resolver::Resolver& resolver,
               const Clock& clock);
    ~TlsCounter();

    // From any thread. Sessions of TLS reports themselves (TR-018) and of `TLS-Required: No` messages (TR-019) are not
    // counted by the caller.
    void count(const tlsrpt::Session& session);

    boost::asio::awaitable<void> run();   // until stop()
    boost::asio::awaitable<void> flush(); // what is counted goes to the store now
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::report
