// Streams in TLS: data, key updates, ends, and what a failed handshake says.
#include "net/net_support.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>

#include <gtest/gtest.h>

#include <array>

namespace danelaw::net {
namespace {

using namespace testing;
using namespace boost::asio::experimental::awaitable_operators;

Task<bool> tls_facts() {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    EXPECT_FALSE(pair.client.is_tls());
    EXPECT_EQ(pair.client.ssl(), nullptr);
    EXPECT_TRUE(co_await handshake(pair, tls));
    EXPECT_TRUE(pair.client.is_tls());
    EXPECT_STREQ(SSL_get_version(pair.client.ssl()), "TLSv1.3");
    std::array<char, 16> buffer;
    auto got = pair.client.read_ready(buffer); // session tickets at most
    EXPECT_TRUE(got.has_value() && *got == 0);
    // Key updates in both directions, between data (TLS 1.3).
    for (int i = 0; i < 3; ++i) {
        SSL_key_update(pair.server.ssl(), SSL_KEY_UPDATE_REQUESTED);
        auto both = co_await (pair.server.write("0123456789", soon()) && read_exactly(pair.client, 10));
        EXPECT_EQ(std::get<1>(both), "0123456789");
        auto back = co_await (pair.client.write("abcdefghij", soon()) && read_exactly(pair.server, 10));
        EXPECT_EQ(std::get<1>(back), "abcdefghij");
    }
    co_return true;
}

TEST(StreamTls, CarriesDataAndKeyUpdates) {
    boost::asio::io_context io;
    run(io, tls_facts());
}

Task<bool> end_without_close_notify() {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    EXPECT_TRUE(co_await handshake(pair, tls));
    (void)co_await read_one(pair.client, deadline_after(10ms)); // takes the tickets; closes without close_notify
    auto got = co_await read_one(pair.server, soon());
    EXPECT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code, Errc::closed);
    EXPECT_NE(pair.server.ssl(), nullptr);
    co_return true;
}

TEST(StreamTls, EndWithoutCloseNotifyIsClosed) {
    boost::asio::io_context io;
    run(io, end_without_close_notify());
}

Task<bool> gentle_end() {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    EXPECT_TRUE(co_await handshake(pair, tls));
    (void)co_await pair.server.write("221 bye\r\n", soon());
    auto both = co_await (pair.server.close_gently(deadline_after(50ms)) && read_exactly(pair.client, 100));
    EXPECT_EQ(both, "221 bye\r\n");
    EXPECT_NE(SSL_get_shutdown(pair.client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
    co_return true;
}

TEST(StreamTls, GentleEndSendsCloseNotify) {
    boost::asio::io_context io;
    run(io, gentle_end());
}

Task<bool> plain_answer() {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    (void)co_await pair.server.write("454 TLS not available\r\n", soon());
    auto result = co_await pair.client.start_tls(tls.client(), Stream::Side::client, soon());
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, Errc::tls);
    EXPECT_NE(result.error().detail.find("TLS handshake: "), std::string::npos);
    EXPECT_FALSE(pair.client.is_open());
    EXPECT_FALSE(pair.client.is_tls());
    co_return true;
}

TEST(StreamTls, ClearTextAnswerFailsTheHandshake) {
    boost::asio::io_context io;
    run(io, plain_answer());
}

Task<bool> alert_named() {
    Pair pair = co_await connected_pair();
    TlsContexts tls;
    SSL* client = tls.client();
    SSL_set_verify(client, SSL_VERIFY_PEER, nullptr); // no CA: must fail
    auto both = co_await (pair.client.start_tls(client, Stream::Side::client, soon()) &&
                              [](Stream& s, SSL* ssl) -> Task<Error> {
        auto done = co_await s.start_tls(ssl, Stream::Side::server, soon());
        if (!done) co_return done.error();
        auto got = co_await read_one(s, soon()); // TLS 1.3: the server learns it with the first read
        co_return got ? Error{} : got.error();
    }(pair.server, tls.server()));
    const auto& [ours, theirs] = both;
    EXPECT_EQ(ours.error().code, Errc::tls);
    EXPECT_NE(ours.error().detail.find("certificate verify failed"), std::string::npos) << ours.error().detail;
    EXPECT_NE(SSL_get_verify_result(pair.client.ssl()), X509_V_OK); // still readable
    EXPECT_EQ(theirs.code, Errc::tls);
    EXPECT_NE(theirs.detail.find("peer sent alert"), std::string::npos) << theirs.detail;
    co_return true;
}

TEST(StreamTls, AlertsAreNamed) {
    boost::asio::io_context io;
    run(io, alert_named());
}

Task<bool> handshake_ends() {
    TlsContexts tls;
    Pair silent = co_await connected_pair();
    auto result = co_await silent.client.start_tls(tls.client(), Stream::Side::client, deadline_after(20ms));
    EXPECT_EQ(result.error().code, Errc::timeout);
    Pair gone = co_await connected_pair();
    auto both =
        co_await (gone.client.start_tls(tls.client(), Stream::Side::client, soon()) && [](Stream& s) -> Task<bool> {
            std::string hello(17, '\0');
            (void)co_await s.read_some(hello, soon());
            co_await s.close_gently(deadline_after(10ms));
            co_return true;
        }(gone.server));
    EXPECT_EQ(std::get<0>(both).error().code, Errc::closed) << std::get<0>(both).error().detail;
    co_return true;
}

TEST(StreamTls, SilenceAndEarlyEndAreToldApart) {
    boost::asio::io_context io;
    run(io, handshake_ends());
}

} // namespace
} // namespace danelaw::net
