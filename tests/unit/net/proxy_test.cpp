// SS-093: both versions, split, truncated, oversized; LOCAL keeps the socket's address.
#include "danelaw/net/proxy.hpp"

#include "net/net_support.hpp"

#include "danelaw/net/wakeup.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <gtest/gtest.h>

namespace danelaw::net {
namespace {

using namespace testing;
using State = ProxyParse::State;

std::string said(const ProxyParse& parse) {
    if (parse.state == State::malformed) return "malformed";
    if (parse.state == State::need_more) return "need " + std::to_string(parse.need);
    if (!parse.header.source) return "local";
    return parse.header.source->text() + " to " + parse.header.destination->text();
}

const std::string v2_magic("\r\n\r\n\0\r\nQUIT\n", 12);
std::string v2(char command, char family, std::string body) {
    std::string header = v2_magic + command + family;
    header += static_cast<char>(body.size() >> 8);
    header += static_cast<char>(body.size() & 0xff);
    return header + body;
}
const std::string four("\xc0\0\2\1\x7f\0\0\1\x30\x39\0\x19", 12);
const std::string six = std::string("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16) + std::string(15, '\0') +
                        "\1\x30\x39" + std::string("\0\x19", 2);

TEST(Proxy, HeadersAsSpecified) {
    struct Row {
        std::string bytes, want;
    };
    const Row rows[] = {
        {"PROXY TCP4 192.0.2.1 127.0.0.1 12345 25\r\n", "192.0.2.1:12345 to 127.0.0.1:25"},
        {"PROXY TCP6 2001:db8::1 ::1 12345 25\r\n", "[2001:db8::1]:12345 to [::1]:25"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 12345 25\r\n", "192.0.2.1:12345 to [::1]:25"}, // SS-092
        {"PROXY UNKNOWN\r\n", "local"},
        {"PROXY UNKNOWN ffff::1 what ever 1 2\r\n", "local"},
        {v2(0x21, 0x11, four), "192.0.2.1:12345 to 127.0.0.1:25"},
        {v2(0x21, 0x11, four + "\1\0\2h2"), "192.0.2.1:12345 to 127.0.0.1:25"},
        {v2(0x21, 0x21, six), "[2001:db8::1]:12345 to [::1]:25"},
        {v2(0x20, 0x00, ""), "local"},
        {v2(0x20, 0x11, four), "local"},
        {v2(0x21, 0x00, ""), "local"},
        {v2(0x21, 0x31, std::string(216, 'x')), "local"},

        {"EHLO client.example\r\n", "malformed"},
        {"PROXY TCP4 192.0.2.1 127.0.0.1 12345 99999\r\n", "malformed"},
        {"PROXY TCP4 192.0.2.1 127.0.0.1 012 25\r\n", "malformed"},
        {"PROXY TCP4 2001:db8::1 ::1 12345 25\r\n", "malformed"},
        {"PROXY TCP6 192.0.2.1 127.0.0.1 12345 25\r\n", "malformed"},
        {"PROXY TCP4 192.0.2.1 127.0.0.1 12345\r\n", "malformed"},
        {"PROXY  TCP4 192.0.2.1 127.0.0.1 1 2\r\n", "malformed"},
        {"PROXY TCP4 192.0.2.1 127.0.0.1 12345 25\n", "malformed"},
        {"PROXY TCP4 192.0.2.1 127.0.0.1 12345 25\r\nX", "malformed"},
        {"PROXY UNKNOWN " + std::string(100, 'x'), "malformed"},
        {v2(0x21, 0x11, four.substr(0, 11)), "malformed"},
        {v2(0x21, 0x21, four), "malformed"},
        {v2(0x31, 0x11, four), "malformed"},
        {v2(0x22, 0x11, four), "malformed"},
        {v2(0x21, 0x12, four), "malformed"},          // UDP
        {v2_magic + "\x21\x11\xff\xff", "malformed"}, // 64 KiB of TLVs

        {"", "need 15"},
        {"PROX", "need 11"},
        {"PROXY UNKNOWN\r", "need 1"},
        {"PROXY TCP4 192.0.2.1", "need 2"},
        {v2_magic, "need 3"},
        {v2_magic + "\x21\x11" + std::string(1, '\0'), "need 1"},
        {v2_magic + std::string("\x21\x11\0\x0c", 4), "need 12"},
    };
    for (const Row& row : rows) EXPECT_EQ(said(parse_proxy(row.bytes)), row.want) << row.bytes;
}

Task<std::string> read_split(std::string bytes, std::size_t piece) {
    using namespace boost::asio::experimental::awaitable_operators;
    Pair pair = co_await connected_pair();
    Buffered reader(std::move(pair.server));
    auto send = [](Stream& s, std::string text, std::size_t n) -> Task<bool> {
        for (std::size_t at = 0; at < text.size(); at += n) {
            (void)co_await s.write(std::string_view(text).substr(at, n), soon());
            (void)co_await pause_until(deadline_after(1ms));
        }
        co_return true;
    };
    auto both = co_await (send(pair.client, bytes + "EHLO", piece) && read_proxy(reader, soon()));
    auto& header = std::get<1>(both);
    if (!header) co_return "refused";
    EXPECT_EQ(reader.buffered(), 0u); // a ClientHello behind it must reach TLS
    auto rest = co_await reader.read_some(4, soon());
    EXPECT_EQ(rest->substr(0, 1), "E");
    co_return header->source ? header->source->text() : "local";
}

TEST(Proxy, ReadExactlyInAnyPieces) {
    for (std::size_t piece : {1u, 7u, 16u, 200u}) {
        boost::asio::io_context io;
        EXPECT_EQ(run(io, read_split("PROXY TCP4 192.0.2.1 127.0.0.1 12345 25\r\n", piece)), "192.0.2.1:12345");
        EXPECT_EQ(run(io, read_split("PROXY UNKNOWN\r\n", piece)), "local");
        EXPECT_EQ(run(io, read_split(v2(0x21, 0x11, four + "\1\0\2h2"), piece)), "192.0.2.1:12345");
        EXPECT_EQ(run(io, read_split(v2(0x20, 0x00, ""), piece)), "local");
        EXPECT_EQ(run(io, read_split("EHLO client.example\r\n", piece)), "refused");
    }
}

Task<Errc> truncated() {
    Pair pair = co_await connected_pair();
    Buffered reader(std::move(pair.server));
    (void)co_await pair.client.write("PROXY TCP4 192.0.2.1 127", soon());
    pair.client.close();
    auto header = co_await read_proxy(reader, soon());
    EXPECT_FALSE(header.has_value());
    co_return header.error().code;
}

TEST(Proxy, TruncatedHeaderIsNoHeader) {
    boost::asio::io_context io;
    EXPECT_EQ(run(io, truncated()), Errc::closed);
}

} // namespace
} // namespace danelaw::net
