// One HTTP request over a new connection: to the admin socket, to an MTA-STS policy host, to a TLSRPT collector.
// The address is given by the caller (our own resolver found it); nothing is looked up here and no redirect is followed
// (RFC 8461 3.3).
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/http/message.hpp"
#include "danelaw/net/stream.hpp"

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

namespace danelaw::tls {
class Client;
}

namespace danelaw::http {

struct UnixPath {
    std::string path;
};

// What stands between us and the peer.
enum class Channel {
    plain,
    web_pki,       // TLS with a certificate for `host` by ca_file, else nothing is sent
    tls_unchecked, // TLS, whoever answers: TLSRPT over https may go so (RFC 8460 3)
};

struct ClientOptions {
    std::variant<Endpoint, UnixPath> to;
    std::string host; // Host header, SNI, and the certificate's name
    Channel channel = Channel::plain;
    tls::Client* tls = nullptr; // must outlive the call; needed unless plain
    std::string ca_file;        // "": the system's
    net::Deadline deadline;     // for everything together
    std::size_t max_body = 64 * 1024;
};

// Errc::tls: no handshake, or the certificate is not good for `host`. Errc::limit: the answer is larger than max_body.
// Errc::parse: not HTTP. Any status is a Response.
net::Task<Result<Response>> fetch(ClientOptions options, Request request);
// The same from the first of a host's addresses that answers; each has its share of the time that is left, so that a
// dead one leaves some for the next. `options.to` is not looked at. No address: Errc::dns.
net::Task<Result<Response>> fetch_from(std::vector<Endpoint> addresses, ClientOptions options, Request request);

} // namespace danelaw::http
