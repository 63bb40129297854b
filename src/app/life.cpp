// The daemon's life: ready, reload at SIGHUP, drain at SIGTERM.
#include "daemon.hpp"

#include "danelaw/delivery/routing_settings.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <systemd/sd-daemon.h>

#include <csignal>
#include <ctime>

namespace danelaw::app {

log::Options log_options(const config::LogSettings& settings);

namespace {

namespace json = boost::json;
namespace asio = boost::asio;

json::array problem_list(const std::string& file, const config::Loaded& loaded) {
    json::array all;
    for (const config::Problem& p : loaded.problems) all.emplace_back(config::text(file, p));
    return all;
}

bool same_listeners(const config::Settings& a, const config::Settings& b) {
    if (a.listeners.size() != b.listeners.size()) return false;
    for (std::size_t i = 0; i < a.listeners.size(); ++i) {
        if (a.listeners[i].address != b.listeners[i].address) return false;
    }
    return true;
}

// Keys that a running daemon can't take over: said, so that nobody believes they are in force.
json::array need_restart(const config::Settings& old, const config::Settings& now) {
    json::array keys;
    if (!same_listeners(old, now)) keys.emplace_back("listeners");
    if (old.queue.store != now.queue.store || old.queue.path != now.queue.path) keys.emplace_back("queue");
    if (old.queue.postgres != now.queue.postgres) keys.emplace_back("queue.postgres");
    if (old.admin.address != now.admin.address) keys.emplace_back("admin.address");
    const auto &a = old.dns, &b = now.dns;
    const auto same_stub = [](const config::StubZone& x, const config::StubZone& y) {
        return x.zone == y.zone && x.servers == y.servers;
    };
    if (a.trust_anchors_file != b.trust_anchors_file || a.trust_anchors != b.trust_anchors ||
        a.forwarders != b.forwarders || a.timeout != b.timeout || a.cache_size != b.cache_size ||
        !std::ranges::equal(a.stub_zones, b.stub_zones, same_stub)) {
        keys.emplace_back("dns");
    }
    if (old.tlsrpt.enabled != now.tlsrpt.enabled) keys.emplace_back("tlsrpt.enabled");
    return keys;
}

// Type=notify-reload wants the time at which the reload began; older systemd ignores it.
void tell_systemd_reloading() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    const long long usec = static_cast<long long>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
    ::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", usec);
}

// What is told to stop twice has still ended well: once signals_ is gone a further SIGTERM would kill by default. The
// store's threads end before it, so this thread is then the only one.
void keep_signals_from_ending() {
    sigset_t all;
    sigemptyset(&all);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&all, number);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

} // namespace

void Daemon::announce_ready() {
    json::array listeners;
    for (const std::string& a : relay_->addresses()) listeners.emplace_back(a);
    json::object fields{
        {"listeners", std::move(listeners)}, {"admin", admin_->address()}, {"version", DANELAW_VERSION}};
    if (!inherited_.empty()) {
        json::array& inherited = fields["inherited"].emplace_array(); // by socket activation
        for (const auto& [address, descriptor] : inherited_) inherited.emplace_back(address);
    }
    log_->event(log::Level::info, "ready", std::move(fields));
    ::sd_notify(0, "READY=1");
}

void Daemon::reload() {
    tell_systemd_reloading();
    const std::string file = settings_->file;
    config::Loaded loaded = config::load(file, clock_.now());
    json::array problems = problem_list(file, loaded);
    bool good = loaded.valid();
    const SettingsPtr old = settings_;
    if (good) {
        settings_ = in_force(std::move(loaded.settings));
        // Certificates and users first: if they can't be read everything stays as it was.
        if (auto done = relay_->reload(); !done) {
            good = false;
            problems.emplace_back(done.error().detail);
        } else if (auto keys = take_keys(*settings_); !keys) {
            good = false;
            problems.emplace_back(keys.error().detail);
        }
    }
    if (!good) {
        settings_ = old;
        (void)relay_->reload();
        log_->reopen(log_options(settings_->log)); // rotation must not fail for a typing error
        log_->event(log::Level::warn, "reload-failed",
                    {{"text", "the old configuration stays in force"}, {"problems", std::move(problems)}});
    } else {
        log_->reopen(log_options(settings_->log));
        tls_.reload_authorities();
        router_->set_settings(delivery::router_settings(*settings_, delivery::local_addresses()));
        agent_->settings_changed();
        log_->event(log::Level::info, "reloaded",
                    {{"warnings", std::move(problems)}, {"restart_needed", need_restart(*old, *settings_)}});
    }
    ::sd_notify(0, "READY=1");
}

net::Task<void> Daemon::wait_for_signals() {
    for (;;) {
        const auto [error, number] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error || number != SIGHUP) co_return;
        reload();
    }
}

Daemon::Told Daemon::listen_for(Millis pause) {
    Told told = Told::nothing;
    const auto heard = [&](boost::system::error_code error, int number) {
        if (!error && number != SIGHUP) told = Told::to_stop; // what was read is as new as it can be
    };
    signals_.async_wait(heard);
    io_.run_one_for(pause);
    signals_.cancel();
    io_.restart();
    io_.poll();
    io_.restart();
    return told;
}

// No new connections; deliveries in flight end exactly once; then what is counted goes to the store, and the store
// ends.
net::Task<void> Daemon::drain() {
    const auto limit = settings_->delivery.drain_timeout;
    const auto deadline = net::deadline_after(limit);
    log_->event(log::Level::info, "stopping", {{"drain_timeout", duration_text(limit)}});
    ::sd_notify(0, "STOPPING=1");
    relay_->stop_accepting();
    co_await relay_->drain(deadline);
    co_await agent_->drain(deadline);
    co_await sts_->stop();
    if (tls_reporter_) {
        tls_reporter_->stop();
        tls_counter_->stop();
        co_await tls_counter_->save(); // TR-020
    }
    admin_->stop();
    if (!co_await tasks_->join_until(net::deadline_after(std::chrono::seconds(1)))) {
        tasks_->cancel_all();
        co_await tasks_->join();
    }
}

net::Task<void> Daemon::live() {
    tasks_->spawn("delivery agent", agent_->run());
    tasks_->spawn("mta-sts", sts_->run());
    tasks_->spawn("admin", admin_->run());
    tasks_->spawn("relay", relay_->run());
    tasks_->spawn("health", health_->watch());
    if (tls_reporter_) {
        tasks_->spawn("tls counter", tls_counter_->run());
        tasks_->spawn("tls reporter", tls_reporter_->run());
    }
    announce_ready();
    co_await wait_for_signals();
    co_await drain();
}

int Daemon::run() {
    const auto ended = [this](const std::exception_ptr& bug) {
        io_.stop(); // the resolver waits for its library for as long as it lives
        if (!bug) return;
        exit_ = 1;
        try {
            std::rethrow_exception(bug);
        } catch (const std::exception& e) {
            log_->event(log::Level::error, "bug", {{"task", "main"}, {"text", e.what()}});
        }
    };
    asio::co_spawn(io_, live(), ended);
    io_.run();
    queue_->stop();
    log_->event(log::Level::info, "stopped", {});
    keep_signals_from_ending();
    return exit_;
}

} // namespace danelaw::app
