// HTTP/1.1 on a stream: bytes to messages and back. The only user of Beast is codec.cpp.
#pragma once

#include "danelaw/http/message.hpp"
#include "danelaw/net/stream.hpp"

#include <cstddef>

namespace danelaw::http {

struct Incoming {
    Request request;
    bool keep_alive = false;
};

// `pending`: octets read beyond the last message, kept between calls. Errc::closed: the peer ended before a first
// octet. `first`: when the first octet must be there; `whole`: how long the rest may take after it.
struct ReadLimits {
    std::size_t max_body;
    net::Deadline first;
    Millis whole;
};
net::Task<Result<Incoming>> read_request(net::Stream& stream, std::string& pending, ReadLimits limits);
net::Task<Result<Response>> read_response(net::Stream& stream, bool head, std::size_t max_body, net::Deadline deadline);

enum class Connection { keep, close };
std::string serialize(const Response& response, bool head, Connection after);
std::string serialize(const Request& request, const std::string& host); // always Connection: close

} // namespace danelaw::http
