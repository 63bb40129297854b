// Listeners: open, accept, hand each connection to a session of its own.
#include "danelaw/relay/server.hpp"

#include "server_state.hpp"

namespace danelaw::relay {
namespace {

net::TaskGroup::OnException bug_into(log::Log& log) {
    return [&log](const std::string& task, const std::string& what) {
        log.event(log::Level::error, "bug", {{"task", task}, {"text", what}});
    };
}

Result<std::shared_ptr<const tls::ServerContext>> context_for(const config::ListenerSettings& listener,
                                                              const std::string& client_ca) {
    if (listener.tls == config::ListenerTls::off) return std::shared_ptr<const tls::ServerContext>();
    return tls::ServerContext::load({listener.certificate, listener.private_key, client_ca});
}

Result<std::shared_ptr<const Users>> users_of(const config::Settings& settings) {
    if (settings.relay.users_file.empty()) return std::shared_ptr<const Users>();
    return Users::load(settings.relay.users_file);
}

Task<void> accept_all(Server::State& state, Open& where) {
    while (!state.stopping) {
        auto stream = co_await where.listener.accept();
        if (!stream) {
            if (stream.error().code == Errc::cancelled) co_return;
            state.parts.log.event(log::Level::warn, "listener",
                                  {{"address", where.settings.address}, {"text", stream.error().detail}});
            continue;
        }
        state.sessions.spawn("session", serve_session(state, where, std::move(*stream)));
    }
}

} // namespace

Server::State::State(Parts p)
    : parts(std::move(p)), listeners(parts.executor, bug_into(parts.log)),
      sessions(parts.executor, bug_into(parts.log)) {}

Server::Server(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}
Server::~Server() = default;

Result<void> Server::listen() {
    const auto settings = state_->parts.settings();
    auto users = users_of(*settings);
    if (!users) return fail(users.error());
    state_->users = std::move(*users);
    for (const auto& one : settings->listeners) {
        auto context = context_for(one, settings->relay.client_ca);
        if (!context) return fail(Errc::config, "listener " + one.address + ": " + context.error().detail);
        auto listener = net::Listener::open(state_->parts.executor, one.address);
        if (!listener) return fail(listener.error().code, "listener " + one.address + ": " + listener.error().detail);
        state_->open.push_back(Open{one, std::move(*listener), std::move(*context), one.address.starts_with("unix:")});
    }
    return {};
}

std::vector<std::string> Server::addresses() const {
    std::vector<std::string> out;
    for (const auto& one : state_->open) out.push_back(one.listener.address());
    return out;
}

Task<void> Server::run() {
    for (auto& one : state_->open)
        state_->listeners.spawn("listener " + one.settings.address, accept_all(*state_, one));
    co_await state_->listeners.join();
}

void Server::stop_accepting() {
    state_->stopping = true;
    for (auto& one : state_->open) one.listener.close();
}

Task<void> Server::drain(net::Deadline deadline) {
    stop_accepting();
    state_->sessions.cancel_all(); // sessions answer 421 at their next reply point (SS-027)
    if (!co_await state_->sessions.join_until(deadline)) state_->sessions.cancel_all();
    co_await state_->listeners.join();
}

Result<void> Server::reload() {
    const auto settings = state_->parts.settings();
    auto users = users_of(*settings);
    if (!users) return fail(users.error());
    std::vector<std::shared_ptr<const tls::ServerContext>> contexts;
    for (const auto& one : state_->open) {
        auto now = one.settings;
        for (const auto& candidate : settings->listeners)
            if (candidate.address == now.address) now = candidate;
        auto context = context_for(now, settings->relay.client_ca);
        if (!context) return fail(Errc::config, "listener " + now.address + ": " + context.error().detail);
        contexts.push_back(std::move(*context));
    }
    state_->users = std::move(*users);
    auto next = contexts.begin();
    for (auto& one : state_->open) one.tls = *next++;
    return {};
}

std::size_t Server::sessions() const {
    return state_->sessions.size();
}

} // namespace danelaw::relay
