// What the listeners and their sessions share. Private to src/relay.
#pragma once

#include "danelaw/net/task_group.hpp"
#include "danelaw/net/worker.hpp"
#include "danelaw/relay/server.hpp"
#include "danelaw/relay/users.hpp"
#include "danelaw/tls/server.hpp"
#include "doorman.hpp"
#include "throttle.hpp"

#include <list>

namespace danelaw::relay {

struct Open {
    config::ListenerSettings settings;
    net::Listener listener;
    std::shared_ptr<const tls::ServerContext> tls; // null when it has none
    bool is_unix = false;
};

struct Server::State {
    explicit State(Parts p);

    Parts parts;
    std::list<Open> open;
    std::shared_ptr<const Users> users;
    Doorman doorman;
    Throttle throttle;
    net::WorkerPool workers{2};
    bool stopping = false;
    net::TaskGroup listeners, sessions;
};

// One session over one connection, from PROXY header to close.
Task<void> serve_session(Server::State& server, const Open& where, net::Stream stream);

} // namespace danelaw::relay
