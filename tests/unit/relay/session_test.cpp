// What a written dialogue can't say: splits, floods, silence, limits, the end.
#include "relay/relay_support.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/net/wakeup.hpp"

#include <boost/asio/co_spawn.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

namespace danelaw::relay {
namespace {

using namespace testing;

net::Task<void> deliver(net::Buffered& client, std::string content) {
    co_await open_transaction(client);
    EXPECT_EQ((co_await ask(client, "DATA")).substr(0, 3), "354");
    co_await send(client, std::move(content));
}

// SS-040: every false end × every split: one message, and nothing in it is run.
net::Task<void> smuggle(World& world) {
    using namespace std::string_literals;
    const std::vector<std::string> false_ends{
        "\n.\n", "\n.\r\n",      "\r\n.\n",      "\r.\r",      "\r\n.\r",   "\r.\r\n",     "\r.\n",
        "\n.\r", "\r\n\0.\r\n"s, "\r\n.\0\r\n"s, "\r\n. \r\n", "\n\n.\n\n", "\r\n.\r\r\n",
    };
    auto client = co_await world.connect();
    (void)co_await reply(client);
    std::size_t sent = 0;
    for (const auto& end : false_ends) {
        std::string content = "Received: x\r\n\r\na" + end + "MAIL FROM:<evil@x.test>\r\n.\r\n";
        for (std::size_t cut = 14; cut + 3 < content.size(); ++cut) {
            co_await deliver(client, content.substr(0, cut));
            (void)co_await net::pause_until(net::deadline_after(Millis(0)));
            co_await send(client, content.substr(cut));
            auto got = co_await reply(client);
            EXPECT_EQ(got.substr(0, 28),
                      "250 2.0.0 Ok: queued as " + world.queue.messages.back().message.envelope.id.substr(0, 4));
            EXPECT_EQ(co_await ask(client, "NOOP"), "250 2.0.0 Ok");
            EXPECT_EQ(world.queue.messages.size(), ++sent);
            const auto& stored = world.queue.messages.back().content;
            for (std::size_t i = 0; i < stored.size(); ++i) {
                if (stored[i] == '\n') EXPECT_TRUE(i > 0 && stored[i - 1] == '\r');
                if (stored[i] == '\r') EXPECT_TRUE(i + 1 < stored.size() && stored[i + 1] == '\n');
            }
            EXPECT_NE(stored.find("MAIL FROM:<evil"), std::string::npos);
        }
    }
}

TEST(Session, NothingIsSmuggled) {
    World world;
    world.open();
    world.run(smuggle(world));
}

// SS-060, SS-063: all commands in one write, before any reply is read.
net::Task<void> flood(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    (void)co_await ask(client, "EHLO x");
    std::string commands;
    for (int i = 0; i < 5000; ++i) commands += "MAIL FROM:<a@b.test>\r\nRSET\r\n";
    co_await send(client, commands);
    for (int i = 0; i < 5000; ++i) {
        EXPECT_EQ(co_await reply(client), "250 2.1.0 Ok");
        EXPECT_EQ(co_await reply(client), "250 2.0.0 Ok");
    }
}

TEST(Session, TenThousandCommandsInOneWrite) {
    World world;
    world.open();
    world.run(flood(world));
}

// H162, SS-022
net::Task<void> many_recipients(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    (void)co_await ask(client, "EHLO x");
    std::string commands = "MAIL FROM:<a@b.test>\r\n";
    for (int i = 0; i < 1500; ++i) commands += "RCPT TO:<u" + std::to_string(i) + "@to.test>\r\n";
    co_await send(client, commands + "DATA\r\n");
    EXPECT_EQ(co_await reply(client), "250 2.1.0 Ok");
    for (int i = 0; i < 1500; ++i)
        EXPECT_EQ((co_await reply(client)).substr(0, 9), i < 1000 ? "250 2.1.5" : "452 4.5.3");
    EXPECT_EQ((co_await reply(client)).substr(0, 3), "354");
    EXPECT_EQ((co_await ask(client, "x\r\n.")).substr(0, 3), "250");
    EXPECT_EQ(world.queue.messages.at(0).message.recipients.size(), 1000u);
    EXPECT_EQ(world.jobs.size(), 1000u);
}

TEST(Session, FifteenHundredRecipients) {
    World world;
    world.open();
    world.run(many_recipients(world));
}

// SS-021: a megabyte without a line end, then its tail: read to CRLF, never run.
net::Task<void> long_lines(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    co_await send(client, std::string(1 << 20, 'x') + "QUIT\r\n");
    EXPECT_EQ((co_await reply(client)).substr(0, 9), "500 5.5.2");
    EXPECT_EQ((co_await ask(client, "EHLO x")).substr(0, 3), "250");
    EXPECT_EQ((co_await ask(client, "NOOP " + std::string(limits::command_line - 5, 'x'))).substr(0, 3), "250");
    EXPECT_EQ((co_await ask(client, "NOOP " + std::string(limits::command_line - 4, 'x'))).substr(0, 9), "500 5.5.2");
    EXPECT_EQ(co_await ask(client, "NOOP"), "250 2.0.0 Ok");
}

TEST(Session, LongLinesAreReadToTheirEnd) {
    World world;
    world.open();
    world.run(long_lines(world));
}

// SS-047, SC-039: all octets, in pieces with bounded memory; SS-049's prefix is piece 0.
net::Task<void> large(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    std::string body = "Received: x\r\n\r\n";
    for (int i = 0; i < (1 << 20); ++i) body += static_cast<char>(i % 251 == 13 || i % 251 == 10 ? 'n' : i % 251);
    body += "\r\n";
    co_await deliver(client, body + ".\r\n");
    EXPECT_EQ((co_await reply(client)).substr(0, 3), "250");
    const auto& stored = world.queue.messages.at(0);
    EXPECT_TRUE(stored.content.ends_with(body));
    EXPECT_TRUE(stored.content.starts_with("Received: from client.test"));
    EXPECT_EQ(stored.message.envelope.content.size, stored.content.size());
    EXPECT_TRUE(stored.message.envelope.content.eight_bit_body);
    EXPECT_EQ(stored.message.envelope.content.received_count, 2);
    EXPECT_LE(world.queue.largest_piece, limits::chunk);
    // The same by BDAT.
    co_await open_transaction(client);
    co_await send(client, "BDAT " + std::to_string(body.size()) + " LAST\r\n" + body);
    EXPECT_EQ((co_await reply(client)).substr(0, 3), "250");
    EXPECT_TRUE(world.queue.messages.at(1).content.ends_with(body));
}

TEST(Session, LargeContentGoesInPieces) {
    World world;
    world.open();
    world.run(large(world));
    EXPECT_TRUE(world.queue.pieces.empty());
}

// SS-024: the store fails half way: read to the end, 452, nothing left behind.
net::Task<void> append_fails(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    std::string line(998, 'x');
    std::string body;
    for (int i = 0; i < 300; ++i) body += line + "\r\n";
    co_await deliver(client, body);
    world.queue.fail_append = Error{Errc::full, "as told"};
    co_await send(client, body + ".\r\n");
    EXPECT_EQ((co_await reply(client)).substr(0, 9), "452 4.3.1");
    EXPECT_EQ(co_await ask(client, "NOOP"), "250 2.0.0 Ok");
}

TEST(Session, StoreFailsHalfWay) {
    World world;
    world.open();
    world.run(append_fails(world));
    EXPECT_TRUE(world.queue.messages.empty());
    EXPECT_TRUE(world.queue.pieces.empty());
}

// SS-014, H161: a client that breaks off leaves nothing.
net::Task<void> breaks_off(World& world) {
    for (std::size_t octets : {0u, 1u, 1000u, 200000u}) {
        auto client = co_await world.connect();
        (void)co_await reply(client);
        std::string text;
        while (text.size() < octets) text += "0123456789\r\n";
        co_await deliver(client, text + "\r\n.");
        client.stream().close();
        co_await world.settle();
    }
}

TEST(Session, BreakingOffQueuesNothing) {
    World world;
    world.open();
    world.run(breaks_off(world));
    EXPECT_TRUE(world.queue.messages.empty());
    EXPECT_TRUE(world.queue.pieces.empty());
}

// SS-051: the threshold, and one above it.
net::Task<void> hops(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    for (int n : {limits::received_headers, limits::received_headers + 1}) {
        std::string text;
        for (int i = 0; i < n; ++i) text += "Received: x\r\n";
        co_await deliver(client, text + "\r\n.\r\n");
        EXPECT_EQ((co_await reply(client)).substr(0, 9), n > limits::received_headers ? "554 5.4.6" : "250 2.0.0");
    }
}

TEST(Session, TooManyHops) {
    World world;
    world.open();
    world.run(hops(world));
}

// SS-026: an octet now and then stretches no limit.
net::Task<void> drip(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    co_await deliver(client, "");
    auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 100 && client.stream().is_open(); ++i) {
        co_await send(client, "x");
        (void)co_await net::pause_until(net::deadline_after(40ms));
        if (client.input_waiting()) break;
    }
    EXPECT_EQ((co_await reply(client)).substr(0, 9), "421 4.4.2");
    EXPECT_LT(std::chrono::steady_clock::now() - began, 1500ms);
}

TEST(Session, DrippingDataIsCut) {
    World world;
    world.settings->limits.command_timeout = 200ms;
    world.open();
    world.run(drip(world));
}

// SS-063: a client that writes and never reads is cut, with bounded memory.
net::Task<void> never_reads(World& world) {
    auto client = co_await world.connect();
    std::string commands;
    for (int i = 0; i < 1000; ++i) commands += "HELP\r\nVRFY someone@somewhere.test\r\n";
    bool cut = false;
    for (int i = 0; i < 2000 && !cut; ++i) cut = !co_await client.write(commands, net::deadline_after(2s));
    EXPECT_TRUE(cut);
    co_await world.settle();
}

TEST(Session, NeverReadingIsCut) {
    World world;
    world.settings->limits.command_timeout = 200ms;
    world.open();
    world.run(never_reads(world));
}

// SS-025: never silence; places come back.
net::Task<void> too_many(World& world) {
    std::vector<net::Buffered> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(co_await world.connect());
        EXPECT_EQ((co_await reply(clients.back())).substr(0, 3), "220");
    }
    auto fourth = co_await world.connect();
    EXPECT_EQ((co_await reply(fourth)).substr(0, 9), "421 4.7.0"); // of this client
    fourth.stream().close();
    world.settings = std::make_shared<config::Settings>(*world.settings);
    world.settings->limits.connections = 3;
    EXPECT_TRUE(world.server->reload());
    auto fifth = co_await world.connect();
    EXPECT_EQ((co_await reply(fifth)).substr(0, 9), "421 4.3.2"); // in all
    clients.clear();
    co_await world.settle();
    auto sixth = co_await world.connect();
    EXPECT_EQ((co_await reply(sixth)).substr(0, 3), "220");
}

TEST(Session, ConnectionLimits) {
    World world;
    world.settings->limits.connections_per_client = 3;
    world.open();
    world.run(too_many(world));
}

// SS-027: at each state; what is past its dot is finished and answered.
net::Task<void> shutdown(World& world) {
    auto idle = co_await world.connect();
    (void)co_await reply(idle);
    auto in_mail = co_await world.connect();
    (void)co_await reply(in_mail);
    co_await open_transaction(in_mail);
    auto storing = co_await world.connect();
    (void)co_await reply(storing);
    co_await deliver(storing, "x\r\n.\r\n");
    auto sending = co_await world.connect();
    (void)co_await reply(sending);
    co_await deliver(sending, "half");
    (void)co_await net::pause_until(net::deadline_after(20ms)); // the dot has arrived, the store has not answered
    bool stopped = false;
    auto finish = [](World& w, bool& done) -> net::Task<void> {
        co_await w.stop(5s);
        done = true;
    };
    boost::asio::co_spawn(world.io, finish(world, stopped), [](std::exception_ptr) {});
    EXPECT_EQ((co_await reply(idle)).substr(0, 9), "421 4.3.2");
    EXPECT_EQ((co_await reply(in_mail)).substr(0, 9), "421 4.3.2");
    EXPECT_EQ((co_await reply(storing)).substr(0, 9), "250 2.0.0");
    EXPECT_EQ((co_await reply(storing)).substr(0, 9), "421 4.3.2");
    co_await send(sending, " more\r\n.\r\n");
    EXPECT_EQ((co_await reply(sending)).substr(0, 9), "250 2.0.0");
    EXPECT_EQ((co_await reply(sending)).substr(0, 9), "421 4.3.2");
    auto late = co_await net::connect({*IpAddress::parse("127.0.0.1"), 1}, std::nullopt, soon());
    idle.stream().close();
    in_mail.stream().close();
    storing.stream().close();
    sending.stream().close();
    co_await world.settle();
    for (int i = 0; i < 100 && !stopped; ++i) (void)co_await net::pause_until(net::deadline_after(5ms));
    EXPECT_TRUE(stopped);
}

TEST(Session, Shutdown) {
    World world;
    world.queue.add_takes = 100ms;
    world.open();
    world.run(shutdown(world));
    EXPECT_EQ(world.queue.messages.size(), 2u);
}

// SS-027: data that does not come does not hold up the end.
net::Task<void> cut_off(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    co_await deliver(client, "half");
    auto began = std::chrono::steady_clock::now();
    co_await world.stop(100ms);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 3s);
    EXPECT_EQ(world.server->sessions(), 0u);
}

TEST(Session, DrainEndsAtItsDeadline) {
    World world;
    world.open();
    world.run(cut_off(world));
    EXPECT_TRUE(world.queue.messages.empty());
}

// SS-095: a reload counts from the next MAIL on.
net::Task<void> reload(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    (void)co_await ask(client, "EHLO x");
    EXPECT_EQ(co_await ask(client, "MAIL FROM:<a@b.test>"), "250 2.1.0 Ok");
    world.settings = std::make_shared<config::Settings>(*world.settings);
    world.settings->relay.allow.clear();
    EXPECT_TRUE(world.server->reload());
    EXPECT_EQ(co_await ask(client, "RCPT TO:<b@to.test>"), "250 2.1.5 Ok"); // as it was
    EXPECT_EQ(co_await ask(client, "RSET"), "250 2.0.0 Ok");
    EXPECT_EQ(co_await ask(client, "MAIL FROM:<a@b.test>"), "250 2.1.0 Ok");
    EXPECT_EQ((co_await ask(client, "RCPT TO:<b@to.test>")).substr(0, 9), "550 5.7.1");
    world.settings = std::make_shared<config::Settings>(*world.settings);
    world.settings->relay.users_file = "/nonexistent/users";
    EXPECT_FALSE(world.server->reload()); // and all stays
    EXPECT_EQ((co_await ask(client, "RCPT TO:<b@to.test>")).substr(0, 9), "550 5.7.1");
}

TEST(Session, Reload) {
    World world;
    world.open();
    world.run(reload(world));
}

// SS-090, SS-094: forty ways to ask a stranger's question.
net::Task<void> tricks(World& world) {
    const std::vector<std::string> addresses{
        "<u@ext.test>",
        "<u%ext.test@relay.test>",
        "<u%ext.test>",
        "<\"u@ext.test\"@relay.test>",
        "<\"u@ext.test\">",
        "<ext.test!u@relay.test>",
        "<ext.test!u>",
        "<@relay.test:u@ext.test>",
        "<@relay.test,@ext.test:u@ext.test>",
        "<u@ext.test@relay.test>",
        "<u@[127.0.0.1]>",
        "<u@[IPv6:::1]>",
        "<u@relay.test>",
        "<u@ext.test.>",
        "<u@relay.test.>",
        "< u@ext.test>",
        "<u@ext.test >",
        "u@ext.test",
        "<u@ext.test> NOTIFY=NEVER",
        "<u@ext.test>,<v@ext.test>",
        "<u@ext.test",
        "u@ext.test>",
        "<<u@ext.test>>",
        "<\"u\"@ext.test>",
        "<postmaster@ext.test>",
        "<postmaster%ext.test@relay.test>",
        "<\"postmaster@ext.test\"@relay.test>",
        "<@relay.test:postmaster@ext.test>",
        "<postmaster@ext.test@relay.test>",
        "<postmaster@relay.test.ext.test>",
        "<postmaster@xrelay.test>",
        "<postmaster.x@relay.test>",
        "<postmaster\\@relay.test>",
        "<postmaster+u@relay.test>",
        "<u@EXT.test>",
        "<\"\"@ext.test>",
        "<u@ext.test> ORCPT=rfc822;postmaster@relay.test",
        "<u@\xc3\xbc.test>",
        std::string("<postmaster\0@ext.test>", 22),
        "<postmaster@relay.test\r@ext.test>",
        "<u@ext.test>\rX",
        "<(c)u@ext.test>",
        "<u@ext.test(relay.test)>",
        "<\"u\"postmaster@relay.test>",
    };
    net::Buffered client = co_await world.connect();
    (void)co_await reply(client);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        if (i % 8 == 0) {
            client = co_await world.connect();
            (void)co_await reply(client);
            (void)co_await ask(client, "EHLO x");
            EXPECT_EQ(co_await ask(client, "MAIL FROM:<u@ext.test>"), "250 2.1.0 Ok");
        }
        auto got = co_await ask(client, "RCPT TO:" + addresses[i]);
        EXPECT_TRUE(got.starts_with("550 ") || got.starts_with("501 ") || got.starts_with("553 ") ||
                    got.starts_with("500 "))
            << addresses[i] << ": " << got;
        EXPECT_EQ((co_await ask(client, "DATA")).substr(0, 1), "5") << addresses[i];
    }
}

TEST(Session, IsNoOpenRelay) {
    World world;
    world.settings->relay.allow.clear();
    world.open();
    world.run(tricks(world));
    EXPECT_TRUE(world.queue.messages.empty());
}

// SS-090: unix sockets always may; Received says so.
net::Task<void> by_unix(World& world) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    co_await deliver(client, "x\r\n.\r\n");
    EXPECT_EQ((co_await reply(client)).substr(0, 3), "250");
}

TEST(Session, UnixSocket) {
    World world;
    world.settings->relay.allow.clear();
    world.listener().address = "unix:/tmp/danelaw-relay-test-" + std::to_string(::getpid()) + ".sock";
    world.open();
    world.run(by_unix(world));
    EXPECT_TRUE(world.queue.messages.at(0).content.starts_with("Received: from client.test (local)"));
    EXPECT_FALSE(world.queue.messages.at(0).message.envelope.client.address);
}

class Countersign final : public ContentSigner {
  public:
    explicit Countersign(std::string& all) : seen(all) {}
    std::string& seen;
    void feed(std::string_view octets) override { seen += octets; }
    Result<std::string> finish() override { return "DKIM-Signature: s=" + std::to_string(seen.size()) + "\r\n"; }
};

// The signer sees the message with the fields that we add, but not our Received.
net::Task<void> signing(World& world, std::string& seen) {
    auto client = co_await world.connect();
    (void)co_await reply(client);
    co_await deliver(client, "Subj");
    co_await send(client, "ect: x\r\n\r\nbo");
    co_await send(client, "dy\r\n.\r\n");
    EXPECT_EQ((co_await reply(client)).substr(0, 3), "250");
    const auto& stored = world.queue.messages.at(0);
    auto at = stored.content.find("DKIM-Signature: s=" + std::to_string(seen.size()) + "\r\nDate: ");
    EXPECT_NE(at, std::string::npos) << stored.content;
    EXPECT_TRUE(stored.content.ends_with("\r\n" + seen));
    EXPECT_TRUE(seen.ends_with("Subject: x\r\n\r\nbody\r\n"));
    EXPECT_TRUE(stored.message.envelope.content.signed_content);
}

TEST(Session, Signs) {
    World world;
    std::string seen;
    world.signer = [&seen] { return std::make_unique<Countersign>(seen); };
    world.open();
    world.run(signing(world, seen));
}

} // namespace
} // namespace danelaw::relay
