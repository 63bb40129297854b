// A small HTTP/1.1 server: accepts, reads requests, asks the handler, writes responses.
#include "danelaw/http/server.hpp"

#include "codec_priv.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>

namespace danelaw::http {

namespace {

namespace asio = boost::asio;
using Wake = asio::experimental::channel<void(boost::system::error_code)>;

struct Session {
    net::Stream stream;
    bool idle = true; // between requests: may be closed at any moment
    std::string pending;
};

// Shared by run() and its sessions; outlives the Server object when the io_context is torn down around it.
struct State {
    net::Listener listener;
    Handler handler;
    ServerOptions options;
    std::list<Session> sessions;
    std::unique_ptr<Wake> ended; // room for one: a session went away
    bool stopping = false;
};
using StatePtr = std::shared_ptr<State>;
using SessionPtr = std::list<Session>::iterator;

net::Task<Response> answer(StatePtr state, Request request) {
    Response failed{500, {{"Content-Type", "text/plain"}}, "internal error\n"};
    try {
        co_return co_await state->handler(std::move(request));
    } catch (const std::exception&) { // a bug in a handler costs its request, not the daemon
    }
    co_return failed;
}

net::Task<bool> refuse(SessionPtr session, const Error& error, net::Deadline deadline) {
    const bool large = error.code == Errc::limit;
    if (large || error.code == Errc::parse) {
        const Response response{large ? 413 : 400, {{"Content-Type", "text/plain"}}, error.detail + "\n"};
        const std::string octets = serialize(response, false, Connection::close);
        auto written = co_await session->stream.write(octets, deadline);
        if (!written) co_return false;
    }
    co_return false;
}

// One request and its response; false when the connection is not to be used again.
net::Task<bool> exchange(StatePtr state, SessionPtr session) {
    const ServerOptions& options = state->options;
    const ReadLimits limits{options.max_body, net::deadline_after(options.idle_timeout), options.request_timeout};
    session->idle = true;
    auto incoming = co_await read_request(session->stream, session->pending, limits);
    session->idle = false;
    if (!incoming) co_return co_await refuse(session, incoming.error(), net::deadline_after(options.request_timeout));
    const bool head = incoming->request.method == "HEAD";
    const bool keep = incoming->keep_alive;
    Response response = co_await answer(state, std::move(incoming->request));
    const Connection after = keep && !state->stopping ? Connection::keep : Connection::close;
    const std::string octets = serialize(response, head, after);
    auto written = co_await session->stream.write(octets, net::deadline_after(options.request_timeout));
    co_return written.has_value() && after == Connection::keep;
}

net::Task<void> serve(StatePtr state, SessionPtr session) {
    while (!state->stopping) {
        if (!co_await exchange(state, session)) break;
    }
    auto deadline = net::deadline_after(std::chrono::seconds(1));
    co_await session->stream.close_gently(deadline);
}

} // namespace

struct Server::Impl {
    StatePtr state;
};

Server::Server(net::Listener listener, Handler handler, ServerOptions options)
    : impl_(std::make_unique<Impl>(
          std::make_shared<State>(State{std::move(listener), std::move(handler), options, {}, nullptr, false}))) {}
Server::~Server() = default;

net::Task<void> Server::run() {
    StatePtr state = impl_->state;
    const auto executor = co_await asio::this_coro::executor;
    state->ended = std::make_unique<Wake>(executor, 1);
    while (!state->stopping) {
        if (state->sessions.size() >= state->options.max_connections) {
            co_await state->ended->async_receive(asio::use_awaitable);
            continue;
        }
        auto stream = co_await state->listener.accept();
        if (!stream) break;
        const SessionPtr session = state->sessions.insert(state->sessions.end(), Session{std::move(*stream), true, {}});
        auto done = [state, session](const std::exception_ptr&) { // what a session throws ends that session
            state->sessions.erase(session);
            state->ended->try_send(boost::system::error_code());
        };
        asio::co_spawn(executor, serve(state, session), std::move(done));
    }
    while (!state->sessions.empty()) co_await state->ended->async_receive(asio::use_awaitable);
}

void Server::stop() {
    State& state = *impl_->state;
    state.stopping = true;
    state.listener.close();
    for (Session& session : state.sessions)
        if (session.idle) session.stream.close();
}

std::string Server::address() const {
    return impl_->state->listener.address();
}

} // namespace danelaw::http
