// The PROXY protocol's header, version 1 or 2 (HAProxy's specification; SS-093): who really connected, told by a
// balancer that stands in front. The parser is pure; the reader takes exactly the header's octets, so that TLS can
// follow.
#pragma once

#include "danelaw/net/buffered.hpp"

#include <optional>
#include <string_view>

namespace danelaw::net {

struct ProxyHeader {
    // Absent for LOCAL, UNKNOWN and unix sockets: then the socket's own address stays.
    std::optional<Endpoint> source, destination;
};

struct ProxyParse {
    enum class State { need_more, done, malformed };
    State state = State::malformed;
    std::size_t need = 0; // need_more: so many further octets surely belong to the header
    ProxyHeader header;   // done: the whole input was the header
};

ProxyParse parse_proxy(std::string_view bytes);

// errc::parse when it is no header: the connection is to be closed without a word.
Task<Result<ProxyHeader>> read_proxy(Buffered& from, Deadline deadline);

} // namespace danelaw::net
