#include "danelaw/relay/server.hpp"

#include "core.hpp"
#include "session.hpp"

#include "danelaw/net/task_group.hpp"

namespace danelaw::relay {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t turned_away_at_once = 1000; // beyond, connections over the limit are closed without a word

struct Gate {
    net::Listener listener;
    Door door;
};

} // namespace

struct Server::Impl {
    explicit Impl(Parts parts)
        : executor(parts.executor), core(std::move(parts)), acceptors(executor, reporter()),
          sessions(executor, reporter()), turned_away(executor, reporter()) {}

    net::TaskGroup::OnException reporter() {
        return [this](const std::string& task, const std::string& what) {
            core.hooks.log.event(log::Level::error, "exception", {{"task", task}, {"text", what}});
        };
    }
    net::Task<void> accept_from(Gate& gate);
    net::Task<void> serve(net::Stream stream, Door door);
    net::Task<void> turn_away(net::Stream stream, Door door);
    const Door& current(const Door& door) const;

    boost::asio::any_io_executor executor;
    Core core;
    std::vector<std::unique_ptr<Gate>> gates;
    net::TaskGroup acceptors, sessions, turned_away;
};

// The door as configured now; one that a reload dropped stays as it was opened.
const Door& Server::Impl::current(const Door& door) const {
    for (const auto& d : core.access->doors)
        if (d.settings.address == door.settings.address) return d;
    return door; // NOLINT(bugprone-return-const-ref-from-parameter): it lives in its acceptor
}

net::Task<void> Server::Impl::accept_from(Gate& gate) {
    while (core.phase == Phase::running) {
        auto stream = co_await gate.listener.accept();
        if (!stream) co_return; // closed
        ++core.counters.connections;
        const Door& door = current(gate.door);
        if (core.doorman.enter(core.access->settings->limits.connections)) {
            sessions.spawn("session", serve(std::move(*stream), door));
            continue;
        }
        ++core.counters.connections_refused;
        if (turned_away.size() < turned_away_at_once)
            turned_away.spawn("turn-away", turn_away(std::move(*stream), door));
    }
}

net::Task<void> Server::Impl::serve(net::Stream stream, Door door) {
    Session session(core, std::move(stream), std::move(door));
    co_await session.run();
}

// SS-025: never silence, unless clear text may not be spoken there (SS-074, SS-093).
net::Task<void> Server::Impl::turn_away(net::Stream stream, Door door) {
    std::string from = stream.peer() ? stream.peer()->address.text() : "unix";
    smtp::ServerReply reply{421, "4.3.2", core.access->settings->hostname + " Too many connections, try later"};
    boost::json::object fields{{"stage", "connect"},
                               {"client", from},
                               {"code", reply.code},
                               {"enhanced", reply.enhanced},
                               {"text", reply.text}};
    ++core.counters.rejected;
    core.hooks.log.event(log::Level::info, "rejected", std::move(fields));
    if (door.settings.tls == config::ListenerTls::implicit) co_return;
    auto line = smtp::wire(reply);
    if (co_await stream.write(line, net::deadline_after(1s))) co_await stream.close_gently(net::deadline_after(200ms));
}

Server::Server(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}

Server::~Server() = default;

Result<void> Server::reload() {
    auto access = Access::load(impl_->core.hooks.settings());
    if (!access) return fail(access.error());
    impl_->core.access = std::move(*access);
    return {};
}

Result<void> Server::listen(const std::map<std::string, int>& inherited) {
    if (auto loaded = reload(); !loaded) return loaded;
    for (const auto& door : impl_->core.access->doors) {
        const std::string& address = door.settings.address;
        const auto passed = inherited.find(address);
        auto listener = passed == inherited.end() ? net::Listener::open(impl_->executor, address)
                                                  : net::Listener::adopt(impl_->executor, passed->second);
        if (!listener) return fail(listener.error().code, address + ": " + listener.error().detail);
        impl_->gates.push_back(std::make_unique<Gate>(std::move(*listener), door));
    }
    return {};
}

std::vector<std::string> Server::addresses() const {
    std::vector<std::string> all;
    for (const auto& gate : impl_->gates) all.push_back(gate->listener.address());
    return all;
}

net::Task<void> Server::run() {
    for (auto& gate : impl_->gates) impl_->acceptors.spawn("accept", impl_->accept_from(*gate));
    co_await impl_->acceptors.join();
}

void Server::stop_accepting() {
    for (auto& gate : impl_->gates) gate->listener.close();
}

net::Task<void> Server::drain(net::Deadline deadline) {
    stop_accepting();
    impl_->core.phase = Phase::stopping;
    impl_->sessions.cancel_all(); // wakes those that wait for a command
    bool empty = co_await impl_->sessions.join_until(deadline);
    impl_->core.phase = Phase::abandoning;
    if (!empty) impl_->sessions.cancel_all();
    impl_->turned_away.cancel_all();
    co_await impl_->sessions.join();
    co_await impl_->turned_away.join();
}

std::size_t Server::sessions() const {
    return impl_->sessions.size();
}

std::vector<Counter> Server::counters() const {
    const auto& c = impl_->core.counters;
    return {
        {"danelaw_smtp_connections_total", "Connections of clients", c.connections},
        {"danelaw_smtp_connections_refused_total", "Connections refused over a limit", c.connections_refused},
        {"danelaw_smtp_messages_total", "Messages accepted into the queue", c.messages},
        {"danelaw_smtp_recipients_total", "Recipients of accepted messages", c.recipients},
        {"danelaw_smtp_octets_total", "Octets of accepted messages", c.octets},
        {"danelaw_smtp_rejected_total", "Refusals of any kind", c.rejected},
        {"danelaw_smtp_tls_total", "Sessions that completed a TLS handshake", c.tls_sessions},
        {"danelaw_smtp_tls_failed_total", "Failed TLS handshakes of clients", c.tls_failed},
        {"danelaw_smtp_auth_total", "Successful logins", c.auth_succeeded},
        {"danelaw_smtp_auth_failed_total", "Failed logins", c.auth_failed},
    };
}

} // namespace danelaw::relay
