// Connected pairs over loopback and TLS objects with a throw-away certificate.
#pragma once

#include "danelaw/net/stream.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <openssl/ssl.h>

#include <exception>
#include <memory>
#include <optional>

namespace danelaw::net::testing {

using namespace std::chrono_literals;

inline Deadline soon() {
    return deadline_after(5s);
}

// Runs the task to its end on this thread; rethrows what it throws.
template <class T> T run(boost::asio::io_context& io, Task<T> task) {
    std::optional<T> result;
    std::exception_ptr thrown;
    auto done = [&](std::exception_ptr e, T value) {
        thrown = e;
        if (!e) result.emplace(std::move(value));
        io.stop();
    };
    boost::asio::co_spawn(io, std::move(task), done);
    io.restart();
    io.run();
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*result);
}

struct Pair {
    Stream client, server;
};
Task<Pair> connected_pair();

Task<std::string> read_exactly(Stream& from, std::size_t n); // less at an end
Task<Result<std::size_t>> read_one(Stream& from, Deadline deadline);

// Self-signed EC P-256 certificate for mx.example, made once.
struct TlsContexts {
    TlsContexts();
    ~TlsContexts();
    TlsContexts(const TlsContexts&) = delete;
    TlsContexts& operator=(const TlsContexts&) = delete;
    SSL* client() { return SSL_new(client_context); }
    SSL* server() { return SSL_new(server_context); }
    SSL_CTX* client_context;
    SSL_CTX* server_context;
};

Task<bool> handshake(Pair& pair, TlsContexts& tls); // both sides done?

} // namespace danelaw::net::testing
