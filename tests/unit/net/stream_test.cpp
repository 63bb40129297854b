// Streams over loopback: octets, ends, deadlines, TLS.
#include "net/net_support.hpp"

#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace danelaw::net {
namespace {

using namespace testing;
using namespace boost::asio::experimental::awaitable_operators;

// -- in clear text ----------------------------------------------------------------------------------

Task<bool> echo_big(bool over_tls) {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    if (over_tls) EXPECT_TRUE(co_await handshake(pair, tls));
    std::string big(3 << 20, 'x'); // beyond the socket buffers: writing has to wait for reading
    for (std::size_t i = 0; i < big.size(); i += 1009) big[i] = static_cast<char>('a' + i % 26);
    auto both = co_await (pair.client.write(big, soon()) && read_exactly(pair.server, big.size()));
    EXPECT_TRUE(std::get<0>(both).has_value());
    EXPECT_EQ(std::get<1>(both), big);
    co_return true;
}

TEST(Stream, CarriesMoreThanTheBuffersHold) {
    boost::asio::io_context io;
    run(io, echo_big(false));
}

TEST(Stream, CarriesMoreThanTheBuffersHoldInTls) {
    boost::asio::io_context io;
    run(io, echo_big(true));
}

Task<bool> deadline_closes() {
    Pair pair = co_await connected_pair();
    const auto start = std::chrono::steady_clock::now();
    auto got = co_await read_one(pair.server, deadline_after(30ms));
    EXPECT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, Errc::timeout);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
    EXPECT_FALSE(pair.server.is_open());
    got = co_await read_one(pair.server, soon());
    EXPECT_EQ(got.error().code, Errc::closed);
    auto put = co_await pair.server.write("x", soon());
    EXPECT_EQ(put.error().code, Errc::closed);
    got = co_await read_one(pair.client, soon()); // the peer sees the end at once
    EXPECT_EQ(got.error().code, Errc::closed);
    co_return true;
}

TEST(Stream, TimeOutClosesIt) { // style 4.5
    boost::asio::io_context io;
    run(io, deadline_closes());
}

Task<bool> shorter_deadline_after_longer() {
    Pair pair = co_await connected_pair();
    (void)co_await pair.client.write("a", soon());
    (void)co_await read_one(pair.server, deadline_after(60s)); // may set the timer far away
    auto sender = pair.client.write("b", soon());
    auto both = co_await (read_one(pair.server, deadline_after(60s)) && std::move(sender));
    EXPECT_TRUE(std::get<0>(both).has_value());
    const auto start = std::chrono::steady_clock::now();
    auto got = co_await read_one(pair.server, deadline_after(20ms));
    EXPECT_EQ(got.error().code, Errc::timeout);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 2s);
    co_return true;
}

TEST(Stream, AShorterDeadlineCountsAfterALongerOne) {
    boost::asio::io_context io;
    run(io, shorter_deadline_after_longer());
}

Task<bool> writer_times_out() {
    Pair pair = co_await connected_pair();
    const std::string big(32 << 20, 'x'); // nobody reads
    auto put = co_await pair.client.write(big, deadline_after(50ms));
    EXPECT_FALSE(put.has_value());
    EXPECT_EQ(put.error().code, Errc::timeout);
    EXPECT_FALSE(pair.client.is_open());
    co_return true;
}

TEST(Stream, WritingToADeafPeerTimesOut) {
    boost::asio::io_context io;
    run(io, writer_times_out());
}

Task<bool> clean_end() {
    Pair pair = co_await connected_pair();
    (void)co_await pair.client.write("QUIT", soon());
    auto both = co_await (pair.client.close_gently(deadline_after(2s)) && [](Stream& server) -> Task<bool> {
        EXPECT_EQ(co_await read_exactly(server, 100), "QUIT"); // all data, then the end
        EXPECT_FALSE(server.is_open());
        auto put = co_await server.write("221 bye", soon()); // our direction is still open
        EXPECT_TRUE(put.has_value());
        server.close();
        co_return true;
    }(pair.server));
    EXPECT_TRUE(both);
    EXPECT_FALSE(pair.client.is_open());
    co_return true;
}

TEST(Stream, CleanEndLosesNothing) {
    boost::asio::io_context io;
    run(io, clean_end());
}

Task<bool> reset() {
    Pair pair = co_await connected_pair();
    (void)co_await pair.server.write("unread", soon());
    pair.client.close(); // with unread octets: a reset
    auto got = co_await read_one(pair.server, soon());
    EXPECT_EQ(got.error().code, Errc::closed);
    co_return true;
}

TEST(Stream, ResetIsClosed) {
    boost::asio::io_context io;
    run(io, reset());
}

Task<bool> ready() {
    Pair pair = co_await connected_pair();
    std::array<char, 16> buffer;
    auto got = pair.server.read_ready(buffer);
    EXPECT_TRUE(got.has_value() && *got == 0);
    (void)co_await pair.client.write("early", soon());
    (void)co_await read_one(pair.client, deadline_after(20ms)); // lets loopback deliver; closes the client
    got = pair.server.read_ready(buffer);
    EXPECT_TRUE(got.has_value() && *got == 5);
    got = pair.server.read_ready(buffer);
    EXPECT_FALSE(got.has_value()); // the end
    EXPECT_FALSE(pair.server.is_open());
    co_return true;
}

TEST(Stream, ReadReadyDoesNotWait) {
    boost::asio::io_context io;
    run(io, ready());
}

// -- connecting and listening -------------------------------------------------------------------------

Task<bool> refused() {
    Pair pair = co_await connected_pair();
    const auto gone = *pair.server.peer(); // a port in use, but not listening
    auto stream = co_await connect(gone, std::nullopt, soon());
    EXPECT_FALSE(stream.has_value());
    EXPECT_EQ(stream.error().code, Errc::io);
    EXPECT_NE(stream.error().detail.find("refused"), std::string::npos) << stream.error().detail;
    auto other_family = co_await connect(gone, IpAddress::parse("::1"), soon());
    EXPECT_FALSE(other_family.has_value());
    co_return true;
}

TEST(Connect, RefusalIsSaid) {
    boost::asio::io_context io;
    run(io, refused());
}

Task<bool> source_address() {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto listener = Listener::open(executor, "127.0.0.1:0");
    EXPECT_TRUE(listener.has_value());
    const auto port = std::stoi(listener->address().substr(listener->address().rfind(':') + 1));
    const Endpoint to{*IpAddress::parse("127.0.0.1"), static_cast<std::uint16_t>(port)};
    auto client = co_await connect(to, IpAddress::parse("127.0.0.9"), soon());
    EXPECT_TRUE(client.has_value());
    auto server = co_await listener->accept();
    EXPECT_EQ(server->peer()->address.text(), "127.0.0.9");
    EXPECT_EQ(server->peer(), client->local());
    EXPECT_EQ(client->peer()->text(), listener->address());
    co_return true;
}

TEST(Connect, SourceAddressIsUsed) {
    boost::asio::io_context io;
    run(io, source_address());
}

Task<bool> unix_listener(std::string path) {
    const auto executor = co_await boost::asio::this_coro::executor;
    {
        auto first = Listener::open(executor, "unix:" + path, 0600);
        EXPECT_TRUE(first.has_value());
        struct stat facts{};
        EXPECT_EQ(::stat(path.c_str(), &facts), 0);
        EXPECT_EQ(facts.st_mode & 0777, 0600u);
        auto second = Listener::open(executor, "unix:" + path);
        EXPECT_FALSE(second.has_value()); // in use
        (void)co_await first->accept();   // the second one's question whether somebody listens
        auto client = co_await connect_unix(path, soon());
        EXPECT_TRUE(client.has_value());
        auto server = co_await first->accept();
        EXPECT_TRUE(server.has_value() && server->is_unix());
        EXPECT_FALSE(server->peer().has_value());
        (void)co_await client->write("hello", soon());
        EXPECT_EQ(co_await read_exactly(*server, 5), "hello");
    }
    EXPECT_FALSE(std::filesystem::exists(path)); // removed with the listener
    // A stale file: bound, never unlinked, nobody behind it.
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    auto adopted = Listener::adopt(executor, fd);
    EXPECT_FALSE(adopted.has_value()); // not listening
    ::close(fd);
    co_return true;
}

TEST(Listener, UnixSocketFileIsCaredFor) {
    boost::asio::io_context io;
    std::string folder = ::testing::TempDir() + "danelaw-net-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    run(io, unix_listener(folder + "/s"));
    // A stale file is replaced.
    {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_storage raw{};
        raw.ss_family = AF_UNIX;
        std::copy_n((folder + "/s").c_str(), folder.size() + 3, reinterpret_cast<char*>(&raw) + 2);
        ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&raw), sizeof(sa_family_t) + 108), 0);
        ::close(fd);
    }
    EXPECT_TRUE(Listener::open(io.get_executor(), "unix:" + folder + "/s").has_value());
    std::filesystem::remove_all(folder);
}

TEST(Listener, BadAddressesAreRefused) {
    boost::asio::io_context io;
    for (const char* address :
         {"", "25", "localhost:25", "127.0.0.1", "127.0.0.1:70000", "::1:25", "[127.0.0.1]:25", "unix:"}) {
        EXPECT_FALSE(Listener::open(io.get_executor(), address).has_value()) << address;
    }
}

Task<bool> inherited() {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto origin = Listener::open(executor, "[::1]:0");
    if (!origin) co_return true; // a machine without IPv6
    const auto address = origin->address();
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::listen(fd, 5), 0); // binds to a free port
    auto adopted = Listener::adopt(executor, fd);
    EXPECT_TRUE(adopted.has_value());
    EXPECT_EQ(address.substr(0, 6), "[::1]:");
    const auto port = std::stoi(adopted->address().substr(adopted->address().rfind(':') + 1));
    const Endpoint to{*IpAddress::parse("127.0.0.1"), static_cast<std::uint16_t>(port)};
    auto client = co_await connect(to, std::nullopt, soon());
    EXPECT_TRUE(client.has_value());
    auto server = co_await adopted->accept();
    EXPECT_TRUE(server.has_value());
    co_return true;
}

TEST(Listener, InheritedDescriptorListens) {
    boost::asio::io_context io;
    run(io, inherited());
}

Task<bool> close_ends_accept() {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto listener = Listener::open(executor, "127.0.0.1:0");
    auto both = co_await (listener->accept() && [](Listener& l) -> Task<bool> {
        (void)co_await pause_until(deadline_after(5ms));
        l.close();
        co_return true;
    }(*listener));
    EXPECT_FALSE(std::get<0>(both).has_value());
    EXPECT_EQ(std::get<0>(both).error().code, Errc::cancelled);
    co_return true;
}

TEST(Listener, CloseEndsAccept) {
    boost::asio::io_context io;
    run(io, close_ends_accept());
}

// -- cancelling ---------------------------------------------------------------------------------------

struct Seen {
    Errc first = Errc::io, second = Errc::io;
};

Task<void> wait_forever(Stream& s, Stream& other, Seen& seen) {
    auto got = co_await read_one(s, soon());
    if (!got) seen.first = got.error().code;
    auto again = co_await read_one(other, soon());
    if (!again) seen.second = again.error().code;
}

Task<bool> cancelled() {
    Pair pair = co_await connected_pair();
    Pair second = co_await connected_pair();
    Seen seen;
    std::string thrown;
    TaskGroup group(co_await boost::asio::this_coro::executor,
                    [&](const std::string& task, const std::string& what) { thrown = task + ": " + what; });
    group.spawn("reader", wait_forever(pair.server, second.server, seen));
    (void)co_await pause_until(deadline_after(5ms));
    EXPECT_EQ(group.size(), 1u);
    group.cancel_all();
    co_await group.join();
    EXPECT_EQ(group.size(), 0u);
    EXPECT_EQ(seen.first, Errc::cancelled);
    EXPECT_EQ(seen.second, Errc::cancelled); // a cancelled task never waits again
    EXPECT_EQ(thrown, "");
    co_return true;
}

TEST(Stream, CancelledTaskEndsByItsErrorPaths) {
    boost::asio::io_context io;
    run(io, cancelled());
}

// The client's command arrives, the server is stopped, and only then the reader's turn comes.
Task<void> answer_then_read(Stream& s, Wakeup& stopped, std::string& got) {
    (void)co_await s.write("220 hello", soon());
    if (!co_await s.wait_readable(soon())) co_return;
    (void)co_await stopped.wait(soon());
    std::array<char, 16> buffer;
    if (auto n = co_await s.read_some(buffer, soon())) got.assign(buffer.data(), *n);
}

Task<bool> cancelled_with_input() {
    Pair pair = co_await connected_pair();
    const auto executor = co_await boost::asio::this_coro::executor;
    TaskGroup group(executor, [](const std::string&, const std::string&) {});
    Wakeup stopped(executor);
    std::string got;
    group.spawn("session", answer_then_read(pair.server, stopped, got));
    (void)co_await pair.client.write("EHLO", soon());
    (void)co_await pause_until(deadline_after(20ms)); // it is in its second wait
    group.cancel_all();
    co_await group.join();
    EXPECT_EQ(got, "EHLO");
    EXPECT_TRUE(pair.server.is_open()); // the last word can still be said (SS-027)
    co_return true;
}

TEST(Stream, CancelledTaskReadsWhatIsThere) {
    boost::asio::io_context io;
    run(io, cancelled_with_input());
}

} // namespace
} // namespace danelaw::net
