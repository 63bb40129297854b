#include "relay/relay_support.hpp"

#include "danelaw/net/wakeup.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/json/serialize.hpp>

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <unistd.h>

namespace danelaw::relay::testing {

store::Task<Result<void>> MemoryQueue::append(std::string id, std::uint32_t sequence, std::string octets) {
    if (fail_append) co_return fail(*fail_append);
    largest_piece = std::max(largest_piece, octets.size());
    pieces[id][sequence] = std::move(octets);
    co_return Result<void>();
}

store::Task<void> MemoryQueue::discard(std::string id) {
    pieces.erase(id);
    co_return;
}

store::Task<Result<std::vector<store::Job>>> MemoryQueue::add(store::NewMessage message, store::Claiming) {
    if (add_takes > 0ms) (void)co_await net::pause_until(net::deadline_after(add_takes));
    if (fail_add) co_return fail(*fail_add);
    Stored stored{std::move(message.message), std::move(message.content)};
    auto found = pieces.find(stored.message.envelope.id);
    if (found != pieces.end()) {
        std::uint32_t expected = 0;
        for (auto& [sequence, octets] : found->second) {
            EXPECT_EQ(sequence, expected++);
            stored.content += octets;
        }
        pieces.erase(found);
    }
    EXPECT_EQ(stored.content.size(), stored.message.envelope.content.size);
    std::vector<store::Job> jobs;
    for (const auto& r : stored.message.recipients)
        jobs.push_back(
            {stored.message.envelope.id, r.domain, {r.number}, 0, {}, {}, 0, stored.message.envelope.reverse_path, 0});
    messages.push_back(std::move(stored));
    co_return jobs;
}

store::Queue::Stats MemoryQueue::stats() const {
    Stats stats;
    stats.failed = is_failed;
    return stats;
}

std::size_t MemoryLog::count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& [event, fields] : events)
        if (event == name) ++n;
    return n;
}

std::string MemoryLog::text() const {
    std::string all;
    for (const auto& [name, fields] : events) all += name + ' ' + boost::json::serialize(fields) + '\n';
    return all;
}

namespace {

struct Pem {
    std::shared_ptr<EVP_PKEY> key{EVP_EC_gen("P-256"), EVP_PKEY_free};
    std::shared_ptr<X509> certificate{X509_new(), X509_free};
};

Pem make_certificate(const char* name, const Pem* issuer) {
    Pem made;
    X509* x = made.certificate.get();
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, made.key.get());
    auto* subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate.get()) : subject);
    if (issuer == nullptr) {
        auto* ca = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(x, ca, -1);
        X509_EXTENSION_free(ca);
    }
    X509_sign(x, issuer ? issuer->key.get() : made.key.get(), EVP_sha256());
    return made;
}

void write(const Pem& pem, const std::string& certificate, const std::string& key) {
    if (FILE* f = std::fopen(certificate.c_str(), "w")) {
        PEM_write_X509(f, pem.certificate.get());
        std::fclose(f);
    }
    if (FILE* f = std::fopen(key.c_str(), "w")) {
        PEM_write_PrivateKey(f, pem.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(f);
    }
}

} // namespace

TlsFiles::TlsFiles() {
    auto directory = std::filesystem::temp_directory_path() / ("danelaw-relay-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    auto at = [&](const char* name) { return (directory / name).string(); };
    certificate = at("server.pem"), private_key = at("server.key"), client_ca = at("ca.pem");
    client_certificate = at("client.pem"), client_key = at("client.key");
    foreign_certificate = at("foreign.pem"), foreign_key = at("foreign.key");
    write(make_certificate("relay.test", nullptr), certificate, private_key);
    auto ca = make_certificate("Client CA", nullptr);
    write(ca, client_ca, at("ca.key"));
    write(make_certificate("printer-7", &ca), client_certificate, client_key);
    write(make_certificate("stranger", nullptr), foreign_certificate, foreign_key);
}

TlsFiles::~TlsFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(std::filesystem::path(certificate).parent_path(), ignored);
}

const TlsFiles& tls_files() {
    static const TlsFiles files;
    return files;
}

World::World() : settings(std::make_shared<config::Settings>()) {
    settings->hostname = "relay.test";
    settings->postmaster = "boss@home.test";
    settings->relay.allow = {*IpPrefix::parse("127.0.0.0/8"), *IpPrefix::parse("::1/128")};
    settings->limits.min_free_disk = 0;
    settings->queue.path = "/";
    config::ListenerSettings listener;
    listener.address = "127.0.0.1:0";
    settings->listeners = {listener};
}

World::~World() {
    if (server) run(stop(2s)); // sessions are joined before their server goes
}

void World::open() {
    Parts parts{io.get_executor(),
                queue,
                log,
                clock,
                [this] { return settings; },
                [this](std::vector<store::Job> more) { jobs.insert(jobs.end(), more.begin(), more.end()); }};
    parts.overloaded = [this] { return overloaded; };
    if (free_disk) parts.free_disk = [this] { return *free_disk; };
    parts.signer = signer;
    parts.penalty = 1ms;
    server = std::make_unique<Server>(std::move(parts));
    auto opened = server->listen();
    ASSERT_TRUE(opened) << opened.error().detail;
    boost::asio::co_spawn(io, server->run(), [](std::exception_ptr) {});
}

void World::run(net::Task<void> task) {
    std::exception_ptr thrown;
    bool ended = false;
    boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr e) {
        thrown = e;
        ended = true;
        io.stop();
    });
    io.restart();
    io.run();
    if (thrown) std::rethrow_exception(thrown);
    EXPECT_TRUE(ended);
}

net::Task<net::Buffered> World::connect() {
    auto address = server->addresses()[0];
    if (address.starts_with("unix:")) {
        auto stream = co_await net::connect_unix(address.substr(5), soon());
        co_return net::Buffered(std::move(*stream));
    }
    auto colon = address.rfind(':');
    Endpoint to{*IpAddress::parse("127.0.0.1"), static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)))};
    auto stream = co_await net::connect(to, std::nullopt, soon());
    co_return net::Buffered(std::move(*stream));
}

net::Task<void> World::stop(Millis within) {
    co_await server->drain(net::deadline_after(within));
}

net::Task<void> World::settle() {
    for (int i = 0; i < 5000 && server->sessions() > 0; ++i) (void)co_await net::pause_until(net::deadline_after(1ms));
    EXPECT_EQ(server->sessions(), 0u);
}

net::Task<std::string> reply(net::Buffered& client) {
    std::string all;
    while (true) {
        auto line = co_await client.read_line(4096, net::Buffered::LineEnd::crlf_only, soon());
        if (!line) {
            auto code = line.error().code;
            std::string why = code == Errc::closed ? "(closed)" : code == Errc::timeout ? "(timeout)" : "(error)";
            co_return all + why;
        }
        all += *line;
        if (line->size() < 4 || (*line)[3] != '-') co_return all;
        all += '|';
    }
}

net::Task<void> send(net::Buffered& client, std::string octets) {
    (void)co_await client.write(octets, soon());
}

net::Task<std::string> ask(net::Buffered& client, std::string line) {
    co_await send(client, line + "\r\n");
    co_return co_await reply(client);
}

net::Task<bool> client_tls(net::Buffered& client, std::string certificate, std::string key) {
    static SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* ssl = SSL_new(context);
    if (!certificate.empty()) {
        SSL_use_certificate_file(ssl, certificate.c_str(), SSL_FILETYPE_PEM);
        SSL_use_PrivateKey_file(ssl, key.c_str(), SSL_FILETYPE_PEM);
    }
    auto done = co_await client.start_tls(ssl, net::Stream::Side::client, soon());
    co_return done.has_value();
}

net::Task<void> open_transaction(net::Buffered& client, std::string parameters) {
    EXPECT_EQ((co_await ask(client, "EHLO client.test")).substr(0, 3), "250");
    EXPECT_EQ(co_await ask(client, "MAIL FROM:<a@from.test>" + parameters), "250 2.1.0 Ok");
    EXPECT_EQ(co_await ask(client, "RCPT TO:<b@to.test>"), "250 2.1.5 Ok");
}

} // namespace danelaw::relay::testing
