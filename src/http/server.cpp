// A small HTTP/1.1 server: accepts, reads requests, asks the handler, writes responses.
#include "danelaw/http/server.hpp"

#include "codec_priv.hpp"

#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"

#include <boost/asio/this_coro.hpp>

#include <list>

namespace danelaw::http {

namespace {

namespace asio = boost::asio;
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
    std::unique_ptr<net::Wakeup> ended; // a session went away
    bool stopping = false;
};
using StatePtr = std::shared_ptr<State>;
using SessionPtr = std::list<Session>::iterator;

net::Task<Response> answer(StatePtr state, Request request) {
    const std::string what = request.method + " " + std::string(request.path());
    Response failed{500, {{"Content-Type", "text/plain"}}, "internal error\n"};
    try {
        co_return co_await state->handler(std::move(request));
    } catch (const std::exception& e) { // a bug in a handler costs its request, not the daemon
        if (state->options.on_exception) state->options.on_exception(what, e.what());
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

// Takes its session off the list however it ends.
class Leave {
  public:
    Leave(StatePtr state, SessionPtr session) : state_(std::move(state)), session_(session) {}
    Leave(const Leave&) = delete;
    Leave& operator=(const Leave&) = delete;
    ~Leave() {
        state_->sessions.erase(session_);
        state_->ended->notify();
    }

  private:
    StatePtr state_;
    SessionPtr session_;
};

net::Task<void> serve(StatePtr state, SessionPtr session) {
    const Leave leave(state, session);
    while (!state->stopping) {
        const bool again = co_await exchange(state, session);
        if (!again) break;
    }
    co_await session->stream.close_gently(net::deadline_after(std::chrono::seconds(1)));
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
    state->ended = std::make_unique<net::Wakeup>(executor);
    net::TaskGroup tasks(executor, state->options.on_exception);
    while (!state->stopping) {
        if (state->sessions.size() >= state->options.max_connections) {
            const auto woken = co_await state->ended->wait();
            if (woken == net::Wakeup::Woken::cancelled) break;
            continue;
        }
        auto stream = co_await state->listener.accept();
        if (!stream) break;
        const auto session = state->sessions.insert(state->sessions.end(), Session{std::move(*stream), true, {}});
        tasks.spawn("http session", serve(state, session));
    }
    stop();
    co_await asio::this_coro::reset_cancellation_state(); // even when we were cancelled, responses in hand go out
    co_await tasks.join();
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
