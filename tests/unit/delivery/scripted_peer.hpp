// A server that follows a script: what it waits for, what it answers, how it fails. Speaks over a real loopback socket.
#pragma once

#include "danelaw/net/buffered.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <functional>
#include <string>
#include <vector>

namespace danelaw::delivery::test {

// One step: a command line that must start with `expect` ("" waits for nothing, "DATA-END" for the end of content),
// then an answer. After a BDAT its octets are read.
struct Step {
    std::string expect;
    std::string answer; // sent as it is, CRLF added; "" sends nothing
};
using Script = std::vector<Step>;

// What went wrong at step `at`: the connection is closed or answered 421 instead.
enum class Fault { none, close, reply_421, garbage };

struct Seen {
    std::vector<std::string> commands; // in order, without CRLF
    std::string content;               // octets between 354 and the final dot, or of all chunks
    std::string unexpected;            // a command that did not fit its step
    int connections = 0;
};

// Serves one connection after the other by the same script, until the io_context ends.
class ScriptedPeer {
  public:
    ScriptedPeer(boost::asio::io_context& io, Script script);
    Endpoint endpoint() const { return endpoint_; }
    void fail_at(std::size_t step, Fault fault) {
        fail_step_ = step;
        fault_ = fault;
    }
    Seen seen;

  private:
    net::Task<void> serve();
    net::Task<void> talk(net::Stream stream);
    net::Task<bool> content(net::Buffered& io);
    net::Task<bool> chunk(net::Buffered& io, std::string command);
    Script script_;
    net::Listener listener_;
    Endpoint endpoint_;
    std::size_t fail_step_ = static_cast<std::size_t>(-1);
    Fault fault_ = Fault::none;
};

} // namespace danelaw::delivery::test
