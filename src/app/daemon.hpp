// Every part of the running relay, in the order in which one needs the other, and the two changes of its life: reload
// and the end. One io_context, one thread.
#pragma once

#include "health.hpp"
#include "reporter.hpp"

#include "danelaw/admin/api.hpp"
#include "danelaw/config/load.hpp"
#include "danelaw/delivery/agent.hpp"
#include "danelaw/delivery/sts_fetcher.hpp"
#include "danelaw/http/server.hpp"
#include "danelaw/relay/server.hpp"
#include "danelaw/report/tls_reporter.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <map>

namespace danelaw::app {

class Daemon {
  public:
    explicit Daemon(config::Settings settings);
    ~Daemon();

    log::Log& log() { return *log_; }
    // Opens queue, resolver and listeners. Errc::config where the configuration is to blame, Errc::cancelled when told
    // to stop meanwhile.
    Result<void> open();
    // Serves until a signal, drains, and answers the exit status.
    int run();

  private:
    using SettingsPtr = std::shared_ptr<const config::Settings>;

    Result<void> take_sockets();
    Result<void> open_queue();
    Result<store::Opened> open_shared();
    Result<void> open_delivery();
    void open_reports();
    Result<void> open_admin();
    Result<void> take_keys(const config::Settings& settings); // what is read from files anew at a reload
    SettingsPtr in_force(config::Settings settings);          // as far as this machine allows
    void make_notices(const config::Settings& settings, std::shared_ptr<const dkim::Keys> keys);
    admin::Context admin_context();
    net::Task<boost::json::object> check(delivery::CheckRequest request);

    net::Task<void> live();
    net::Task<void> wait_for_signals();
    enum class Told { nothing, to_stop };
    Told listen_for(Millis pause); // before the loop runs
    net::Task<void> drain();
    void reload();
    void announce_ready();

    boost::asio::io_context io_{1};
    boost::asio::signal_set signals_{io_, SIGTERM, SIGINT, SIGHUP}; // from the start: one that comes early is kept
    SystemClock clock_;
    SystemRng rng_;
    Time started_ = clock_.now();
    SettingsPtr settings_;
    std::map<std::string, int> inherited_; // by configured address: descriptors that the service manager opened
    std::vector<config::Token> tokens_;
    admin::Counters counters_;
    std::unique_ptr<log::Log> log_;
    std::unique_ptr<store::Queue> queue_;
    std::unique_ptr<resolver::Resolver> resolver_;
    tls::Client tls_;
    std::unique_ptr<delivery::StsFetcher> sts_;
    std::unique_ptr<delivery::Router> router_;
    std::shared_ptr<report::Pacer> pacer_ = std::make_shared<report::Pacer>();
    std::shared_ptr<const report::NoticeMaker> notices_;
    std::unique_ptr<Reporter> reporter_;
    std::shared_ptr<const dkim::Keys> mail_keys_, report_keys_; // null: none
    std::unique_ptr<report::TlsCounter> tls_counter_;           // null: tlsrpt.enabled is off
    std::unique_ptr<report::TlsReporter> tls_reporter_;
    std::unique_ptr<delivery::Agent> agent_;
    std::unique_ptr<relay::Server> relay_;
    std::unique_ptr<Health> health_;
    std::unique_ptr<admin::Context> context_;
    std::unique_ptr<http::Server> admin_;
    std::unique_ptr<net::TaskGroup> tasks_;
    int exit_ = 0;
};

} // namespace danelaw::app
