// Lines, bounds and the border to TLS.
#include "danelaw/net/buffered.hpp"

#include "net/net_support.hpp"

#include "danelaw/net/wakeup.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <gtest/gtest.h>

namespace danelaw::net {
namespace {

using namespace testing;
using namespace boost::asio::experimental::awaitable_operators;
using Ends = Buffered::LineEnd;

Task<std::vector<std::string>> lines_of(std::string input, std::size_t piece, std::size_t most, Ends ends) {
    Pair pair = co_await connected_pair();
    Buffered reader(std::move(pair.server));
    auto send = [](Stream s, std::string text, std::size_t n) -> Task<bool> {
        for (std::size_t at = 0; at < text.size(); at += n) {
            (void)co_await s.write(std::string_view(text).substr(at, n), soon());
            (void)co_await pause_until(deadline_after(1ms)); // so that pieces arrive as pieces
        }
        co_return true;
    };
    auto read = [](Buffered& from, std::size_t limit, Ends e) -> Task<std::vector<std::string>> {
        std::vector<std::string> lines;
        while (true) {
            auto line = co_await from.read_line(limit, e, soon());
            if (line) {
                lines.push_back(*line);
            } else if (line.error().code == Errc::limit) {
                lines.push_back("(limit)");
            } else {
                lines.push_back(line.error().code == Errc::closed ? "(closed)" : "(other)");
                co_return lines;
            }
        }
    };
    auto both = co_await (send(std::move(pair.client), std::move(input), piece) && read(reader, most, ends));
    co_return std::get<1>(both);
}

TEST(Buffered, LinesInAnyPieces) {
    struct Row {
        std::string input;
        Ends ends;
        std::vector<std::string> want;
    };
    const Row rows[] = {
        {"EHLO a\r\nQUIT\r\n", Ends::crlf_only, {"EHLO a", "QUIT", "(closed)"}},
        {"\r\n\r\n", Ends::crlf_only, {"", "", "(closed)"}},
        {"a\nb\r\n", Ends::crlf_only, {"a\nb", "(closed)"}},
        {"a\nb\r\n", Ends::lf_tolerated, {"a", "b", "(closed)"}},
        {"a\rb\r\n", Ends::crlf_only, {"a\rb", "(closed)"}},
        {"half", Ends::crlf_only, {"(closed)"}},
        {"12345678\r\nok\r\n", Ends::crlf_only, {"12345678", "ok", "(closed)"}},
        {"123456789\r\nok\r\n", Ends::crlf_only, {"(limit)", "ok", "(closed)"}},
        {"12345678901234567890123\r\nok\r\n", Ends::crlf_only, {"(limit)", "ok", "(closed)"}},
        {"12345678901234567890123\nok\n", Ends::lf_tolerated, {"(limit)", "ok", "(closed)"}},
        {"1234567890\r12\r\r\nok\r\n", Ends::crlf_only, {"(limit)", "ok", "(closed)"}},
    };
    for (const Row& row : rows) {
        for (std::size_t piece : {1u, 2u, 3u, 100u}) {
            boost::asio::io_context io;
            EXPECT_EQ(run(io, lines_of(row.input, piece, 8, row.ends)), row.want)
                << row.input << " in pieces of " << piece;
        }
    }
}

Task<bool> some() {
    Pair pair = co_await connected_pair();
    Buffered reader(std::move(pair.server));
    (void)co_await pair.client.write("line\r\n0123456789", soon());
    EXPECT_EQ(*co_await reader.read_line(100, Ends::crlf_only, soon()), "line");
    EXPECT_EQ(*co_await reader.read_some(4, soon()), "0123");
    EXPECT_EQ(reader.buffered(), 6u);
    EXPECT_TRUE(reader.input_waiting());
    EXPECT_EQ(*co_await reader.read_some(100, soon()), "456789");
    EXPECT_FALSE(reader.input_waiting());
    (void)co_await pair.client.write("abcdef", soon());
    EXPECT_EQ(*co_await reader.read_some(2, soon()), "ab");
    EXPECT_EQ(reader.buffered(), 0u); // no further than asked
    EXPECT_TRUE(reader.input_waiting());
    EXPECT_EQ(reader.buffered(), 4u);
    reader.drop_buffered();
    EXPECT_EQ(reader.buffered(), 0u);
    pair.client.close();
    (void)co_await pause_until(deadline_after(5ms));
    EXPECT_FALSE(reader.input_waiting());
    EXPECT_FALSE(reader.stream().is_open());
    co_return true;
}

TEST(Buffered, CountedOctets) {
    boost::asio::io_context io;
    run(io, some());
}

// RFC 3207 4, DANE-116, SS-071: what was sent in clear text behind the 220, or behind STARTTLS, must not be read in
// TLS.
Task<Errc> injection(Stream::Side side, std::string injected, bool in_one_piece) {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    Buffered reader(std::move(pair.server));
    std::string all = "first line\r\n" + (in_one_piece ? injected : "");
    (void)co_await pair.client.write(all, soon());
    (void)co_await reader.read_line(100, Ends::crlf_only, soon());
    if (!in_one_piece) (void)co_await pair.client.write(injected, soon());
    (void)co_await pause_until(deadline_after(5ms));
    auto result = co_await reader.start_tls(side == Stream::Side::client ? tls.client() : tls.server(), side, soon());
    EXPECT_FALSE(result.has_value());
    EXPECT_FALSE(reader.stream().is_open());
    co_return result.error().code;
}

TEST(Buffered, InjectionBeforeTlsIsRefused) {
    boost::asio::io_context io;
    EXPECT_EQ(run(io, injection(Stream::Side::client, "250 ok\r\n", true)), Errc::parse);
    EXPECT_EQ(run(io, injection(Stream::Side::client, "250 ok\r\n", false)), Errc::parse);
    EXPECT_EQ(run(io, injection(Stream::Side::server, "NOOP\r\n", true)), Errc::parse);
    EXPECT_EQ(run(io, injection(Stream::Side::server, "NOOP\r\n", false)), Errc::tls); // not a ClientHello
}

Task<bool> good_tls() {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    Buffered client(std::move(pair.client)), server(std::move(pair.server));
    auto both = co_await (client.start_tls(tls.client(), Stream::Side::client, soon()) &&
                          server.start_tls(tls.server(), Stream::Side::server, soon()));
    EXPECT_TRUE(std::get<0>(both).has_value() && std::get<1>(both).has_value());
    EXPECT_FALSE(client.input_waiting()); // session tickets are not input
    (void)co_await client.write("EHLO x\r\nMAIL", soon());
    EXPECT_EQ(*co_await server.read_line(100, Ends::crlf_only, soon()), "EHLO x");
    EXPECT_TRUE(server.input_waiting());
    co_return true;
}

TEST(Buffered, LinesInTls) {
    boost::asio::io_context io;
    run(io, good_tls());
}

Task<bool> trickle() {
    Pair pair = co_await connected_pair();
    Buffered reader(std::move(pair.server));
    auto drip = [](Stream s) -> Task<bool> {
        while (co_await s.write("x", soon())) {
            if (!co_await pause_until(deadline_after(5ms))) break;
        }
        co_return true;
    };
    const auto start = std::chrono::steady_clock::now();
    auto both =
        co_await (reader.read_line(1 << 20, Ends::crlf_only, deadline_after(60ms)) && drip(std::move(pair.client)));
    EXPECT_EQ(std::get<0>(both).error().code, Errc::timeout);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 3s);
    co_return true;
}

TEST(Buffered, ATricklingPeerCannotStretchTheDeadline) { // SC-035
    boost::asio::io_context io;
    run(io, trickle());
}

// A server's time-out leaves the stream open for a last word (SS-026); what was read too far can be put back.
Task<bool> patient() {
    Pair pair = co_await connected_pair();
    Buffered server(std::move(pair.server));
    auto none = co_await server.await_line(100, deadline_after(20ms));
    EXPECT_EQ(none.error().code, Errc::timeout);
    (void)co_await pair.client.write("NO", soon());
    EXPECT_EQ((co_await server.await_line(100, deadline_after(20ms))).error().code, Errc::timeout);
    EXPECT_TRUE(server.stream().is_open());
    EXPECT_TRUE(co_await server.write("421 bye\r\n", soon()));
    (void)co_await pair.client.write("OP\r\nQUIT\r\nrest", soon());
    EXPECT_TRUE(co_await server.await_line(100, soon()));
    EXPECT_EQ(*co_await server.read_line(100, Ends::crlf_only, soon()), "NOOP");
    EXPECT_TRUE(server.line_buffered());
    const std::string piece = *co_await server.read_some(100, soon());
    server.put_back(std::string_view(piece).substr(2));
    EXPECT_EQ(*co_await server.read_line(100, Ends::crlf_only, soon()), "IT");
    EXPECT_FALSE(server.line_buffered());
    EXPECT_TRUE(co_await server.await_input(soon()));
    EXPECT_TRUE(co_await server.await_line(3, soon())) << "more than `most` is enough";
    co_return true;
}

TEST(Buffered, PatientWaits) {
    boost::asio::io_context io;
    EXPECT_TRUE(run(io, patient()));
}

} // namespace
} // namespace danelaw::net
