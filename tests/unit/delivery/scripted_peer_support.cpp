#include "delivery/scripted_peer.hpp"

#include "danelaw/base/text.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace danelaw::delivery::test {
namespace {

constexpr Millis patience = std::chrono::seconds(5);

Endpoint bound(const net::Listener& listener) {
    const auto text = listener.address();
    const auto colon = text.rfind(':');
    Endpoint out{*IpAddress::parse(text.substr(0, colon)), 0};
    out.port = static_cast<std::uint16_t>(*parse_number(text.substr(colon + 1)));
    return out;
}

} // namespace

ScriptedPeer::ScriptedPeer(boost::asio::io_context& io, Script script)
    : script_(std::move(script)), listener_(std::move(*net::Listener::open(io.get_executor(), "127.0.0.1:0"))),
      endpoint_(bound(listener_)) {
    boost::asio::co_spawn(io, serve(), boost::asio::detached);
}

net::Task<void> ScriptedPeer::serve() {
    for (;;) {
        auto stream = co_await listener_.accept();
        if (!stream) co_return;
        ++seen.connections;
        co_await talk(std::move(*stream));
    }
}

net::Task<void> ScriptedPeer::talk(net::Stream stream) {
    net::Buffered io(std::move(stream));
    for (std::size_t n = 0; n < script_.size(); ++n) {
        const auto& step = script_[n];
        if (step.expect == "DATA-END") {
            if (!co_await content(io)) co_return;
        } else if (!step.expect.empty()) {
            auto line = co_await io.read_line(4096, net::Buffered::LineEnd::crlf_only, net::deadline_after(patience));
            if (!line) co_return;
            seen.commands.push_back(*line);
            if (iequals(*line, "QUIT")) {
                (void)co_await io.write("221 2.0.0 bye\r\n", net::deadline_after(patience));
                co_return;
            }
            if (!istarts_with(*line, step.expect)) seen.unexpected = *line + " instead of " + step.expect;
            if (istarts_with(*line, "BDAT ") && !co_await chunk(io, *line)) co_return;
        }
        if (n == fail_step_ && fault_ != Fault::none) {
            if (fault_ == Fault::reply_421)
                (void)co_await io.write("421 4.3.2 going\r\n", net::deadline_after(patience));
            if (fault_ == Fault::garbage) (void)co_await io.write("what?\r\n", net::deadline_after(patience));
            co_return;
        }
        if (!step.answer.empty())
            if (!co_await io.write(step.answer + "\r\n", net::deadline_after(patience))) co_return;
    }
    for (;;) { // beyond the script: QUIT, or the end
        auto line = co_await io.read_line(4096, net::Buffered::LineEnd::crlf_only, net::deadline_after(patience));
        if (!line) co_return;
        seen.commands.push_back(*line);
        if (!iequals(*line, "QUIT")) seen.unexpected = *line + " after the script";
        (void)co_await io.write("221 2.0.0 bye\r\n", net::deadline_after(patience));
        if (iequals(*line, "QUIT")) co_return;
    }
}

net::Task<bool> ScriptedPeer::chunk(net::Buffered& io, std::string command) {
    auto octets = parse_number(split(command, ' ').at(1)).value_or(0);
    while (octets > 0) {
        auto piece = co_await io.read_some(octets, net::deadline_after(patience));
        if (!piece) co_return false;
        octets -= piece->size();
        seen.content += *piece;
    }
    co_return true;
}

net::Task<bool> ScriptedPeer::content(net::Buffered& io) {
    for (;;) {
        auto line = co_await io.read_line(1 << 20, net::Buffered::LineEnd::crlf_only, net::deadline_after(patience));
        if (!line) co_return false;
        if (*line == ".") co_return true;
        seen.content += line->starts_with(".") ? line->substr(1) : *line;
        seen.content += "\r\n";
    }
}

} // namespace danelaw::delivery::test
