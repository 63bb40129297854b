// A small HTTP/1.1 server over one listener (loopback TCP or a unix socket): the admin API and page.
// Everything runs on the listener's executor, which one thread runs.
#pragma once

#include "danelaw/http/message.hpp"
#include "danelaw/net/stream.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace danelaw::http {

// Called once a request; must not throw (a throw becomes 500).
using Handler = std::function<net::Task<Response>(Request)>;

struct ServerOptions {
    std::size_t max_body = 1024 * 1024;
    std::size_t max_connections = 200; // beyond: the connection waits in the kernel
    // For a whole request once its first octet came, and for a whole response.
    Millis request_timeout = std::chrono::seconds(30);
    Millis idle_timeout = std::chrono::seconds(60); // between requests
    // Told of a handler or session that threw: a bug, to be logged.
    std::function<void(const std::string& task, const std::string& what)> on_exception;
};

class Server {
  public:
    Server(net::Listener listener, Handler handler, ServerOptions options = {});
    ~Server(); // run() must have ended

    // Serves until stop(); ends when the last response in hand has been written.
    net::Task<void> run();
    // No new connection or request; idle connections are closed. From the executor's thread.
    void stop();
    std::string address() const; // as bound

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::http
