// Messages, and client against server over loopback and unix sockets.
#include "../../../src/http/codec_priv.hpp"
#include "danelaw/http/client.hpp"
#include "danelaw/http/server.hpp"
#include "danelaw/tls/client.hpp"
#include "danelaw/tls/server.hpp"
#include "support/pki.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace danelaw::http {
namespace {

namespace asio = boost::asio;

TEST(Message, Query) {
    Request r;
    r.target = "/api/queue?domain=ex.test&q=a%20b%2Bc&flag";
    EXPECT_EQ(r.path(), "/api/queue");
    EXPECT_EQ(r.query("domain"), "ex.test");
    EXPECT_EQ(r.query("q"), "a b+c");
    EXPECT_EQ(r.query("flag"), "");
    EXPECT_EQ(r.query("none"), std::nullopt);
    EXPECT_EQ(percent_decode("%4"), std::nullopt);
    EXPECT_EQ(percent_decode(percent_encode("ä/ ?&=+~")), "ä/ ?&=+~");
}

TEST(Message, HeadersCannotBeSplit) {
    const Response r{200, {{"X-Peer", "a\r\nSet-Cookie: x"}, {"X-Fine", "b"}}, "body"};
    const std::string octets = serialize(r, false, Connection::close);
    EXPECT_FALSE(octets.contains("Set-Cookie"));
    EXPECT_TRUE(octets.contains("X-Fine: b\r\n"));
    EXPECT_TRUE(octets.ends_with("\r\n\r\nbody"));
    EXPECT_TRUE(serialize(r, true, Connection::keep).ends_with("\r\n\r\n"));
}

net::Task<Response> echo(Request request) {
    if (request.path() == "/throw") throw std::runtime_error("a bug");
    Response r{200, {{"Content-Type", "text/plain"}, {"X-Method", request.method}}, request.body};
    if (r.body.empty()) r.body = request.target;
    co_return r;
}

class HttpTest : public ::testing::Test {
  protected:
    void start(const std::string& address, ServerOptions options = {}) {
        auto listener = net::Listener::open(io_.get_executor(), address);
        ASSERT_TRUE(listener) << listener.error().detail;
        options.on_exception = [this](const std::string&, const std::string& what) { bugs_.push_back(what); };
        server_ = std::make_unique<Server>(std::move(*listener), echo, options);
        asio::co_spawn(io_, server_->run(), [this](std::exception_ptr e) { ended_ = e == nullptr; });
    }
    ClientOptions options() const {
        ClientOptions o;
        const std::string address = server_->address();
        if (address.starts_with("unix:"))
            o.to = UnixPath{address.substr(5)};
        else
            o.to = Endpoint{*IpAddress::parse("127.0.0.1"),
                            static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)))};
        o.host = "localhost";
        o.deadline = net::deadline_after(std::chrono::seconds(10));
        return o;
    }
    // Runs everything until `task` has ended and the server has stopped.
    template <class T> T run(net::Task<T> task) {
        std::optional<T> got;
        asio::co_spawn(io_, std::move(task), [&](std::exception_ptr e, T value) {
            if (e) std::rethrow_exception(e);
            got = std::move(value);
            if (server_) server_->stop();
        });
        io_.restart();
        io_.run();
        return std::move(*got);
    }

    asio::io_context io_;
    std::unique_ptr<Server> server_;
    std::vector<std::string> bugs_;
    bool ended_ = false;
};

TEST_F(HttpTest, OverTcp) {
    start("127.0.0.1:0");
    Request request;
    request.target = "/x?y=1";
    const auto response = run(fetch(options(), request));
    ASSERT_TRUE(response) << response.error().detail;
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "/x?y=1");
    EXPECT_EQ(find(response->headers, "content-type"), "text/plain");
    EXPECT_TRUE(ended_);
}

TEST_F(HttpTest, OverAUnixSocketWithABody) {
    const auto path = std::filesystem::temp_directory_path() / ("danelaw-http-" + std::to_string(::getpid()));
    start("unix:" + path.string());
    Request request;
    request.method = "POST";
    request.body = std::string(300'000, 'x');
    ClientOptions o = options();
    o.max_body = 1 << 20;
    const auto response = run(fetch(o, request));
    ASSERT_TRUE(response) << response.error().detail;
    EXPECT_EQ(response->body, request.body);
    EXPECT_EQ(find(response->headers, "X-Method"), "POST");
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(HttpTest, HeadHasNoBody) {
    start("127.0.0.1:0");
    Request request;
    request.method = "HEAD";
    const auto response = run(fetch(options(), request));
    ASSERT_TRUE(response) << response.error().detail;
    EXPECT_EQ(response->body, "");
}

TEST_F(HttpTest, AHandlerThatThrowsIs500) {
    start("127.0.0.1:0");
    Request request;
    request.target = "/throw";
    const auto response = run(fetch(options(), request));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 500);
    EXPECT_EQ(bugs_, std::vector<std::string>{"a bug"});
}

TEST_F(HttpTest, LimitsHold) { // MS-014: 64 KiB of policy
    ServerOptions small;
    small.max_body = 1000;
    start("127.0.0.1:0", small);
    Request request;
    request.method = "POST";
    request.body = std::string(2000, 'x');
    const auto refused = run(fetch(options(), request));
    ASSERT_TRUE(refused) << refused.error().detail;
    EXPECT_EQ(refused->status, 413);

    start("127.0.0.1:0");
    ClientOptions o = options();
    o.max_body = 10;
    const auto response = run(fetch(o, request));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, Errc::limit);
}

// Sends raw octets over one connection and returns all that comes back.
net::Task<std::string> raw(Endpoint to, std::string octets) {
    const auto deadline = net::deadline_after(std::chrono::seconds(10));
    auto stream = co_await net::connect(to, std::nullopt, deadline);
    std::string got;
    if (!stream) co_return got;
    auto sent = co_await stream->write(octets, deadline);
    if (!sent) co_return got;
    while (true) {
        char piece[4096];
        auto n = co_await stream->read_some(piece, deadline);
        if (!n) co_return got;
        got.append(piece, *n);
    }
}

TEST_F(HttpTest, KeepsConnectionsAndPipelines) {
    start("127.0.0.1:0");
    const auto to = std::get<Endpoint>(options().to);
    const std::string got =
        run(raw(to, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    EXPECT_TRUE(got.contains("\r\n\r\n/1HTTP/1.1 200 OK")) << got;
    EXPECT_TRUE(got.ends_with("/2")) << got;
}

TEST_F(HttpTest, NonsenseGets400) {
    start("127.0.0.1:0");
    const auto to = std::get<Endpoint>(options().to);
    const std::string got = run(raw(to, "EHLO there\r\n\r\n"));
    EXPECT_TRUE(got.starts_with("HTTP/1.1 400 Bad Request\r\n")) << got;
}

// Sends the body only after the 100 has come.
net::Task<std::string> patient(Endpoint to, std::string head, std::string body) {
    const auto deadline = net::deadline_after(std::chrono::seconds(10));
    auto stream = co_await net::connect(to, std::nullopt, deadline);
    std::string got;
    if (!stream) co_return got;
    auto sent = co_await stream->write(head, deadline);
    while (sent) {
        char piece[4096];
        auto n = co_await stream->read_some(piece, deadline);
        if (!n) break;
        got.append(piece, *n);
        if (got == "HTTP/1.1 100 Continue\r\n\r\n") sent = co_await stream->write(body, deadline);
    }
    co_return got;
}

TEST_F(HttpTest, ContinueIsSaid) { // RFC 9110 10.1.1
    start("127.0.0.1:0");
    const auto to = std::get<Endpoint>(options().to);
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\n"
                             "Content-Length: 2\r\n\r\n";
    const std::string got = run(patient(to, head, "ok"));
    EXPECT_TRUE(got.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << got;
    EXPECT_TRUE(got.ends_with("ok")) << got;
}

TEST_F(HttpTest, StopClosesIdleConnections) {
    start("127.0.0.1:0");
    const auto to = std::get<Endpoint>(options().to);
    auto idle = [](Endpoint endpoint) -> net::Task<std::string> { co_return co_await raw(endpoint, ""); };
    std::string got = "unset";
    asio::co_spawn(io_, idle(to), [&](std::exception_ptr, std::string value) { got = std::move(value); });
    const auto response = run(fetch(options(), Request{})); // its end stops the server
    EXPECT_TRUE(response);
    EXPECT_EQ(got, "");
    EXPECT_TRUE(ended_);
}

TEST_F(HttpTest, ADeadAddressLeavesTimeForTheNext) {
    start("127.0.0.1:0");
    auto o = options();
    o.deadline = net::deadline_after(std::chrono::seconds(2));
    const auto alive = std::get<Endpoint>(o.to);
    const auto mute = net::Listener::open(io_.get_executor(), "127.0.0.1:0"); // connects, and nobody answers
    ASSERT_TRUE(mute);
    const std::string at = mute->address();
    const Endpoint dead{alive.address, static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)))};
    const auto response = run(fetch_from({dead, alive}, o, Request{}));
    ASSERT_TRUE(response) << response.error().detail;
    EXPECT_EQ(response->status, 200);
}

TEST_F(HttpTest, NobodyThere) {
    ClientOptions o;
    o.to = UnixPath{"/nonexistent/admin.sock"};
    o.deadline = net::deadline_after(std::chrono::seconds(5));
    EXPECT_FALSE(run(fetch(o, Request{})));
}

// -- TLS -------------------------------------------------------------------------------------------

net::Task<void> serve_tls_once(net::Listener& listener, const tls::ServerContext& context) {
    auto stream = co_await listener.accept();
    if (!stream) co_return;
    const auto deadline = net::deadline_after(std::chrono::seconds(10));
    auto shaken = co_await stream->start_tls(context.prepare().value(), net::Stream::Side::server, deadline);
    if (!shaken) co_return;
    std::string pending;
    const ReadLimits limits{1000, deadline, std::chrono::seconds(10)};
    auto incoming = co_await read_request(*stream, pending, limits);
    if (!incoming) co_return;
    const Response response{200, {}, "version: STSv1"};
    auto written = co_await stream->write(serialize(response, false, Connection::close), deadline);
    if (written) co_await stream->close_gently(deadline);
}

class HttpsTest : public ::testing::Test {
  protected:
    Result<Response> fetch_from(const tls::test::Identity& leaf, Channel channel, bool known_ca) {
        const auto dir = std::filesystem::temp_directory_path() / ("danelaw-https-" + std::to_string(::getpid()));
        std::filesystem::create_directories(dir);
        std::ofstream(dir / "ca.pem") << tls::test::pem({&root});
        std::ofstream(dir / "server.pem") << tls::test::key_pem(leaf) << tls::test::pem({&leaf});
        const auto context = tls::ServerContext::load({dir / "server.pem", "", ""});
        asio::io_context io;
        auto listener = net::Listener::open(io.get_executor(), "127.0.0.1:0");
        asio::co_spawn(io, serve_tls_once(*listener, **context), [](const std::exception_ptr&) {});
        tls::Client client;
        ClientOptions o;
        const std::string address = listener->address();
        o.to = Endpoint{*IpAddress::parse("127.0.0.1"),
                        static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)))};
        o.host = "mta-sts.ex.test";
        o.channel = channel;
        o.tls = &client;
        o.ca_file = known_ca ? (dir / "ca.pem").string() : "";
        o.deadline = net::deadline_after(std::chrono::seconds(10));
        Result<Response> got = fail(Errc::cancelled, "never ended");
        asio::co_spawn(io, fetch(o, Request{}), [&](std::exception_ptr, Result<Response> r) { got = std::move(r); });
        io.run();
        std::filesystem::remove_all(dir);
        return got;
    }
    tls::test::Identity root = tls::test::authority("root");
    tls::test::Identity good = tls::test::issue({.sans = "DNS:mta-sts.ex.test"}, &root);
    tls::test::Identity other = tls::test::issue({.sans = "DNS:www.ex.test"}, &root);
};

TEST_F(HttpsTest, GoodCertificate) {
    const auto response = fetch_from(good, Channel::web_pki, true);
    ASSERT_TRUE(response) << response.error().detail;
    EXPECT_EQ(response->body, "version: STSv1");
}

TEST_F(HttpsTest, BadCertificateIsErrcTls) { // sts-webpki-invalid
    for (const auto& response :
         {fetch_from(other, Channel::web_pki, true), fetch_from(good, Channel::web_pki, false)}) {
        ASSERT_FALSE(response);
        EXPECT_EQ(response.error().code, Errc::tls) << response.error().detail;
    }
}

TEST_F(HttpsTest, UncheckedTakesAny) { // RFC 8460 3
    EXPECT_TRUE(fetch_from(other, Channel::tls_unchecked, false));
}

} // namespace
} // namespace danelaw::http
