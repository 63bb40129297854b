// A server on loopback with a queue in memory, and a client that follows a written dialogue.
#pragma once

#include "danelaw/net/buffered.hpp"
#include "danelaw/relay/server.hpp"

#include <boost/asio/io_context.hpp>

#include <map>
#include <optional>

namespace danelaw::relay::testing {

using namespace std::chrono_literals;

// What was accepted, and what is to go wrong.
class MemoryQueue final : public store::Queue {
  public:
    struct Stored {
        store::Message message;
        std::string content;
    };
    std::vector<Stored> messages;
    std::map<std::string, std::map<std::uint32_t, std::string>> pieces; // appended, not added yet
    std::optional<Error> fail_append, fail_add;
    std::size_t largest_piece = 0;
    bool is_failed = false;
    Millis add_takes{0};

    store::Task<Result<void>> append(std::string id, std::uint32_t sequence, std::string octets) override;
    store::Task<void> discard(std::string id) override;
    store::Task<Result<std::vector<store::Job>>> add(store::NewMessage message, store::Claiming claiming) override;
    Stats stats() const override;

    store::Task<Result<std::vector<store::Job>>> claim(store::ClaimRequest) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<Time>> next_due() override { co_return fail(Errc::not_found, ""); }
    void on_due(std::function<void()>) override {}
    store::Task<Result<store::Message>> load(std::string, std::optional<store::Numbers>) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<std::string>> read(std::string, std::uint32_t) override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<store::Recorded>> record(store::Record) override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<void>> release(std::vector<store::Job>) override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<std::vector<store::Message>>> list(store::Filter, std::size_t, std::string) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<store::Trace>> trace(std::string) override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<Acted>> act(Action, store::Filter, Time) override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<store::Counts>> counts() override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<std::vector<store::DomainCount>>> domains(store::DomainQuery) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<std::vector<store::ReasonCount>>> reasons() override { co_return fail(Errc::not_found, ""); }
    store::Task<Result<std::optional<std::string>>> get(std::string, std::string) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<void>> put(std::string, std::string, std::string) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<std::vector<std::pair<std::string, std::string>>>> scan(std::string, std::string) override {
        co_return fail(Errc::not_found, "");
    }
    store::Task<Result<void>> add_counts(std::string, std::vector<std::pair<std::string, std::int64_t>>) override {
        co_return fail(Errc::not_found, "");
    }
    std::vector<std::string> damaged() const override { return {}; }
    void stop() override {}
};

class MemoryLog final : public log::Log {
  public:
    std::vector<std::pair<std::string, boost::json::object>> events;
    void event(log::Level, std::string_view name, boost::json::object fields) override {
        events.emplace_back(name, std::move(fields));
    }
    bool enabled(log::Level) const override { return true; } // debug too: secrets must not show there either
    void reopen(log::Options) override {}
    std::size_t count(std::string_view name) const;
    std::string text() const; // everything, for searching
};

class SteppedClock final : public Clock {
  public:
    Time now_ = Time(1'700'000'000s);
    Time now() const override { return now_; }
};

// Self-signed certificate and key as files, a CA with client certificates, made once in a directory of the test's own.
struct TlsFiles {
    TlsFiles();
    ~TlsFiles();
    TlsFiles(const TlsFiles&) = delete;
    TlsFiles& operator=(const TlsFiles&) = delete;
    std::string certificate, private_key, client_ca;
    std::string client_certificate, client_key;   // signed by client_ca
    std::string foreign_certificate, foreign_key; // by nobody we know
};
const TlsFiles& tls_files();

struct World {
    World();
    ~World();
    boost::asio::io_context io;
    MemoryQueue queue;
    MemoryLog log;
    SteppedClock clock;
    std::shared_ptr<config::Settings> settings; // one listener on a free port of 127.0.0.1; change it before open()
    std::vector<store::Job> jobs;
    std::optional<Bytes> free_disk;
    bool overloaded = false;
    std::function<std::unique_ptr<ContentSigner>()> signer;
    std::unique_ptr<Server> server;
    config::ListenerSettings& listener() { return settings->listeners[0]; }

    void open(); // listens and accepts
    // Runs the task to its end; the server goes on beside it.
    void run(net::Task<void> task);
    net::Task<net::Buffered> connect();
    net::Task<void> stop(Millis within = 5s);
    net::Task<void> settle(); // until no session is left
};

inline net::Deadline soon() {
    return net::deadline_after(10s);
}

// Reads whole replies: "250-a|250 b"; "(closed)", "(timeout)" or "(error)" when there is none.
net::Task<std::string> reply(net::Buffered& client);
net::Task<std::string> ask(net::Buffered& client, std::string line); // with CRLF added
net::Task<void> send(net::Buffered& client, std::string octets);     // errors are the server's right
// Client side of a handshake; with a certificate where files are given.
net::Task<bool> client_tls(net::Buffered& client, std::string certificate = {}, std::string key = {});
// EHLO, MAIL, RCPT with good replies.
net::Task<void> open_transaction(net::Buffered& client, std::string parameters = {});

} // namespace danelaw::relay::testing
