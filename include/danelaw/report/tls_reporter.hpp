// Sends each day's TLS reports: by mail through our own queue, or by https; until one place has it, for a day. What was
// counted: tls_counter.hpp. What is sent and when: tlsrpt. On the thread of `resolver`.
// RFC 8460 3, 5; TR-003, TR-020, TR-030, TR-040…TR-048.
#pragma once

#include "danelaw/config/settings.hpp"
#include "danelaw/dkim/signer.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/report/tls_counter.hpp"
#include "danelaw/resolver/resolver.hpp"
#include "danelaw/store/queue.hpp"
#include "danelaw/tls/client.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace danelaw::report {

class TlsReporter {
  public:
    struct Parts {
        boost::asio::any_io_executor executor;
        store::Queue& queue;
        resolver::Resolver& resolver;
        tls::Client& tls;
        log::Log& log;
        const Clock& clock;
        TlsCounter& counter;
        std::function<std::shared_ptr<const config::Settings>()> settings; // the present ones
        std::function<std::shared_ptr<const dkim::Keys>()> keys;           // of tlsrpt.dkim; null or empty: no mail
        std::function<void(std::vector<store::Job>)> accepted;             // new mail, for the scheduler
    };
    explicit TlsReporter(Parts parts);
    ~TlsReporter(); // run() must have ended

    boost::asio::awaitable<void> run();   // until stop()
    boost::asio::awaitable<void> round(); // one look at what is due; run() makes them by itself
    void stop();

    // For the admin API. `day` as "2026-11-25", "" for yesterday (UTC); errc::parse when it is none.
    enum class Sending { now, dry_run };
    boost::asio::awaitable<Result<boost::json::value>> show(std::string day);
    boost::asio::awaitable<Result<boost::json::value>> send(std::string day, Sending sending);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::report
