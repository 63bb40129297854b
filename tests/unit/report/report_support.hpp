// A world for reports: a clock that is set, a name server that is a table, a real store on a directory of its own.
#pragma once

#include "danelaw/report/tls_reporter.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::report {

template <class T> using Task = boost::asio::awaitable<T>;
using std::chrono::hours;
using std::chrono::minutes;

class SetClock final : public Clock {
  public:
    Time now() const override { return at; }
    Time at = *parse_rfc3339("2026-11-25T12:00:00.000Z");
};

class TableResolver final : public resolver::Resolver {
  public:
    std::map<std::string, dns::Answer<std::string>> texts; // by owner; absent: proven so
    std::vector<std::string> asked;

    void set(const std::string& domain, std::vector<std::string> records) {
        auto& answer = texts["_smtp._tls." + domain];
        answer.status = dns::Status::insecure;
        answer.records = std::move(records);
        answer.ttl = Seconds{300};
    }
    void fail(const std::string& domain) { texts["_smtp._tls." + domain] = dns::Answer<std::string>{}; }

    Task<dns::Answer<std::string>> txt(dns::Name name) override {
        asked.push_back(name.text());
        const auto found = texts.find(name.text());
        if (found != texts.end()) co_return found->second;
        dns::Answer<std::string> absent;
        absent.status = dns::Status::secure;
        absent.absence = dns::Absence::nxdomain;
        co_return absent;
    }
    Task<dns::Answer<dns::Mx>> mx(dns::Name) override { co_return dns::Answer<dns::Mx>{}; }
    Task<dns::Answer<IpAddress>> a(dns::Name) override { co_return dns::Answer<IpAddress>{}; }
    Task<dns::Answer<IpAddress>> aaaa(dns::Name) override { co_return dns::Answer<IpAddress>{}; }
    Task<dns::Answer<dns::Tlsa>> tlsa(dns::Name) override { co_return dns::Answer<dns::Tlsa>{}; }
    Task<dns::Answer<dns::Name>> cname(dns::Name) override { co_return dns::Answer<dns::Name>{}; }
    Counters counters() const override { return {}; }
};

class QuietLog final : public log::Log {
  public:
    void event(log::Level, std::string_view name, boost::json::object fields) override {
        events.emplace_back(std::string(name), std::move(fields));
    }
    bool enabled(log::Level) const override { return true; }
    void reopen(log::Options) override {}
    std::vector<std::pair<std::string, boost::json::object>> events;
};

// What runs on one loop; close() and open() again are a restart.
class World {
  public:
    World();
    ~World();

    void open();
    void close();
    void crash(); // what was not flushed is lost

    template <class T> T run(Task<T> task) {
        std::optional<T> result;
        auto done = [&result](std::exception_ptr error, T value) {
            if (error) std::rethrow_exception(error);
            result.emplace(std::move(value));
        };
        boost::asio::co_spawn(io, std::move(task), std::move(done));
        io.restart();
        while (!result) io.run_one();
        return std::move(*result);
    }
    void run(Task<void> task);

    void count(tlsrpt::Session session, int times = 1);
    boost::json::array show(const std::string& day = "2026-11-25");
    boost::json::array send(const std::string& day = "2026-11-25");
    boost::json::array rehearse(const std::string& day = "2026-11-25");
    std::vector<store::Message> queued();
    // The recipient's fate, as delivery would record it.
    void record(const store::Message& message, message::RecipientState state);

    std::string folder;
    boost::asio::io_context io;
    SetClock clock;
    TableResolver resolver;
    QuietLog log;
    config::Settings settings;
    std::shared_ptr<const dkim::Keys> keys;
    tls::Client tls;
    std::unique_ptr<store::Queue> queue;
    std::unique_ptr<TlsCounter> counter;
    std::unique_ptr<TlsReporter> reporter;
    std::vector<store::Job> jobs;
};

tlsrpt::Session session(const std::string& domain, const std::string& result = "");

} // namespace danelaw::report
