// HTTP/1.1 on a stream: Beast parses, our Stream moves the octets, so that deadlines and TLS are the same as
// everywhere.
#include "codec_priv.hpp"

#include "danelaw/base/text.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <optional>

namespace danelaw::http {

namespace beast = boost::beast::http;

namespace {

constexpr std::uint32_t header_limit = 16 * 1024;

Error parse_failure(const boost::system::error_code& ec) {
    const bool too_large = ec == beast::error::body_limit || ec == beast::error::header_limit;
    return Error{too_large ? Errc::limit : Errc::parse, "HTTP: " + ec.message()};
}

// Feeds what is pending; true once the message is complete, false when more octets are needed.
template <bool is_request>
Result<bool> feed(beast::parser<is_request, beast::string_body>& parser, std::string& pending) {
    while (!parser.is_done() && !pending.empty()) {
        boost::system::error_code ec;
        const std::size_t used = parser.put(boost::asio::buffer(pending), ec);
        pending.erase(0, used);
        if (ec == beast::error::need_more) return false;
        if (ec) return fail(parse_failure(ec));
    }
    return parser.is_done();
}

net::Task<Result<void>> read_more(net::Stream& stream, std::string& pending, net::Deadline deadline) {
    std::array<char, 8192> piece;
    auto n = co_await stream.read_some(piece, deadline);
    if (!n) co_return fail(n.error());
    pending.append(piece.data(), *n);
    co_return Result<void>{};
}

template <class Message> std::vector<Header> headers_of(const Message& message) {
    std::vector<Header> headers;
    for (const auto& field : message) headers.push_back({std::string(field.name_string()), std::string(field.value())});
    return headers;
}

// A header whose name or value has a line break would end the header section early.
void write_header(std::string& out, std::string_view name, std::string_view value) {
    constexpr std::string_view breaks("\r\n\0", 3);
    if (name.find_first_of(breaks) != std::string_view::npos || value.find_first_of(breaks) != std::string_view::npos)
        return;
    out.append(name).append(": ").append(value).append("\r\n");
}

} // namespace

net::Task<Result<Incoming>> read_request(net::Stream& stream, std::string& pending, ReadLimits limits) {
    beast::request_parser<beast::string_body> parser;
    parser.eager(true);
    parser.header_limit(header_limit);
    parser.body_limit(limits.max_body);
    net::Deadline deadline = limits.first;
    bool started = false, continued = false;
    while (true) {
        if (!started && !pending.empty()) {
            started = true;
            deadline = net::deadline_after(limits.whole);
        }
        const auto done = feed(parser, pending);
        if (!done) co_return fail(done.error());
        if (*done) break;
        if (parser.is_header_done() && !continued && iequals(parser.get()[beast::field::expect], "100-continue")) {
            continued = true; // RFC 9110 10.1.1
            auto sent = co_await stream.write("HTTP/1.1 100 Continue\r\n\r\n", deadline);
            if (!sent) co_return fail(sent.error());
        }
        auto more = co_await read_more(stream, pending, deadline);
        if (!more) co_return fail(more.error());
    }
    Incoming in;
    in.keep_alive = parser.keep_alive();
    auto message = parser.release();
    in.request.method = std::string(message.method_string());
    in.request.target = std::string(message.target());
    in.request.headers = headers_of(message);
    in.request.body = std::move(message.body());
    if (const auto peer = stream.peer()) in.request.peer = peer->address.text();
    co_return in;
}

net::Task<Result<Response>> read_response(net::Stream& stream, bool head, std::size_t max_body,
                                          net::Deadline deadline) {
    beast::response_parser<beast::string_body> parser;
    parser.eager(true);
    parser.header_limit(header_limit);
    parser.body_limit(max_body);
    parser.skip(head);
    std::string pending;
    while (true) {
        const auto done = feed(parser, pending);
        if (!done) co_return fail(done.error());
        if (*done) break;
        auto more = co_await read_more(stream, pending, deadline);
        if (more) continue;
        if (more.error().code != Errc::closed) co_return fail(more.error());
        boost::system::error_code ec; // a body without a length ends with the connection
        parser.put_eof(ec);
        if (ec) co_return fail(parse_failure(ec));
        if (!parser.is_done()) co_return fail(Errc::closed, "HTTP: the connection ended before the response");
        break;
    }
    auto message = parser.release();
    Response response;
    response.status = static_cast<int>(message.result_int());
    response.headers = headers_of(message);
    response.body = std::move(message.body());
    co_return response;
}

std::string serialize(const Response& response, bool head, Connection after) {
    const auto status = beast::int_to_status(static_cast<unsigned>(response.status));
    std::string out =
        "HTTP/1.1 " + std::to_string(response.status) + " " + std::string(beast::obsolete_reason(status)) + "\r\n";
    for (const Header& h : response.headers) write_header(out, h.name, h.value);
    if (response.status != 204 && response.status != 304)
        write_header(out, "Content-Length", std::to_string(response.body.size()));
    write_header(out, "Connection", after == Connection::keep ? "keep-alive" : "close");
    out += "\r\n";
    if (!head) out += response.body;
    return out;
}

std::string serialize(const Request& request, const std::string& host) {
    std::string out = request.method + " " + request.target + " HTTP/1.1\r\n";
    write_header(out, "Host", host.empty() ? "localhost" : host);
    for (const Header& h : request.headers) write_header(out, h.name, h.value);
    const bool bodied = !request.body.empty() || request.method == "POST" || request.method == "PUT";
    if (bodied) write_header(out, "Content-Length", std::to_string(request.body.size()));
    write_header(out, "Connection", "close");
    return out + "\r\n" + request.body;
}

} // namespace danelaw::http
