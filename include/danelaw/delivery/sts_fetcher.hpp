// MTA-STS policies: TXT discovery, HTTPS fetch over our own resolver with web-PKI validation, a cache in the queue
// store that survives restarts, refresh in the background. What a policy then demands is policy's to say (overlay). One
// thread. RFC 8461 3, 5.1, 10.2; MS-001…MS-025.
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/delivery/sts_source.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/resolver/resolver.hpp"
#include "danelaw/store/queue.hpp"
#include "danelaw/tls/client.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace danelaw::delivery {

class StsFetcher final : public StsSource {
  public:
    struct Parts {
        boost::asio::any_io_executor executor;
        resolver::Resolver& resolver;
        store::Queue& queue;
        tls::Client& tls;
        log::Log& log;
        const Clock& clock;
        std::function<std::string()> ca_file;         // tls.ca_file of the present settings
        Millis first_wait = std::chrono::seconds(30); // a delivery waits no longer for a first fetch (MS-006)
    };
    explicit StsFetcher(Parts parts);
    ~StsFetcher() override;

    boost::asio::awaitable<StsResult> policy_for(dns::Name domain, Freshness freshness) override;
    // Renews what is cached about daily, whatever the TXT says (MS-017); ends after stop().
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::delivery
