// STARTTLS and AUTH. Credentials appear in no log, trace or reply (SS-085).
#include "session.hpp"

#include "danelaw/base/limits.hpp"

#include <openssl/crypto.h>

namespace danelaw::relay {

using smtp::PlainCredentials;
using smtp::ServerReply;
using namespace std::chrono_literals;

namespace {

void wipe(std::string& secret) {
    OPENSSL_cleanse(secret.data(), secret.size());
}

} // namespace

// False: the session is over; nothing is said in clear any more (SS-075).
net::Task<bool> Session::handshake() {
    auto ssl = door_.tls ? door_.tls->prepare() : Result<ssl_st*>(fail(Errc::tls, "no certificate"));
    auto deadline = net::deadline_after(std::min<Millis>(settings().limits.command_timeout, 60s));
    auto done = Result<void>();
    if (ssl)
        done = co_await io_.start_tls(*ssl, net::Stream::Side::server, deadline);
    else
        done = fail(ssl.error());
    if (!done) {
        ++core_.counters.tls_failed;
        log(log::Level::info, "rejected", {{"stage", "tls"}, {"client", client_text()}, {"text", done.error().detail}});
        open_ = false;
        io_.stream().close();
        co_return false;
    }
    ++core_.counters.tls_sessions;
    auto facts = tls::server_facts(io_.stream().ssl());
    tls_text_ = facts.protocol + ' ' + facts.cipher;
    certificate_ = facts.client; // SS-076
    if (!facts.client_refused.empty())
        log(log::Level::info, "client-certificate", {{"client", client_text()}, {"refused", facts.client_refused}});
    co_return true;
}

net::Task<void> Session::starttls() {
    if (io_.buffered() > 0) { // SS-071, CVE-2011-0411: never to be run as if it had come through TLS
        refuse("starttls", {421, "4.7.0", settings().hostname + " Octets after STARTTLS"});
        open_ = false;
        co_return;
    }
    say({220, "2.0.0", "Ready to start TLS"});
    co_await drop_transaction();
    if (!co_await flush() || !co_await handshake()) {
        open_ = false;
        co_return;
    }
    state_ = smtp::after(state_, smtp::Verb::starttls); // all is forgotten (SS-072)
    esmtp_ = false;
    helo_.clear();
    user_.clear();
}

// Asks and returns the client's answer, decoded. "": cancelled and bad answers were replied to; then errc::parse.
net::Task<Result<std::string>> Session::challenge(std::string text) {
    say({334, "", std::move(text)});
    auto line = co_await next_line();
    if (!line) {
        if (line.error().code == Errc::limit)
            refuse("auth", {500, "5.5.6", "Line too long"}); // SS-021
        else
            part(line.error());
        co_return fail(Errc::parse, "no answer");
    }
    auto octets = *line == "*" ? std::unexpected(ServerReply{501, "5.0.0", "Authentication cancelled"})
                               : smtp::parse_auth_octets(*line);
    wipe(*line);
    if (octets) co_return std::move(*octets);
    refuse("auth", octets.error());
    ++wrong_;
    co_return fail(Errc::parse, "no answer");
}

net::Task<std::optional<PlainCredentials>> Session::plain(std::optional<std::string> initial) {
    std::string octets;
    if (initial) {
        auto decoded = *initial == "=" ? smtp::Parsed<std::string>(std::string()) : smtp::parse_auth_octets(*initial);
        if (!decoded) {
            refuse("auth", decoded.error());
            co_return std::nullopt;
        }
        octets = std::move(*decoded);
    } else {
        auto answer = co_await challenge("");
        if (!answer) co_return std::nullopt;
        octets = std::move(*answer);
    }
    auto credentials = smtp::parse_plain(octets);
    wipe(octets);
    if (credentials) co_return std::move(*credentials);
    refuse("auth", credentials.error());
    ++wrong_;
    co_return std::nullopt;
}

net::Task<std::optional<PlainCredentials>> Session::login(std::optional<std::string> initial) {
    PlainCredentials credentials;
    if (initial) {
        auto decoded = *initial == "=" ? smtp::Parsed<std::string>(std::string()) : smtp::parse_auth_octets(*initial);
        if (!decoded) {
            refuse("auth", decoded.error());
            co_return std::nullopt;
        }
        credentials.user = std::move(*decoded);
    } else {
        auto user = co_await challenge("VXNlcm5hbWU6"); // "Username:"
        if (!user) co_return std::nullopt;
        credentials.user = std::move(*user);
    }
    auto password = co_await challenge("UGFzc3dvcmQ6"); // "Password:"
    if (!password) co_return std::nullopt;
    credentials.password = std::move(*password);
    co_return credentials;
}

net::Task<void> Session::auth(std::string_view arguments) {
    auto command = smtp::parse_auth(arguments);
    if (!command) {
        note_reply(smtp::Verb::auth, command.error());
        refuse("auth", command.error());
        co_return;
    }
    std::optional<PlainCredentials> credentials;
    if (command->mechanism == "PLAIN")
        credentials = co_await plain(std::move(command->initial));
    else if (command->mechanism == "LOGIN")
        credentials = co_await login(std::move(command->initial));
    else {
        refuse("auth", {504, "5.5.4", "Mechanism not recognised"});
        ++wrong_;
    }
    if (credentials) co_await check(std::move(*credentials));
}

net::Task<void> Session::check(PlainCredentials credentials) {
    auto from = address_ ? origin_of(*address_) : std::string();
    auto user = credentials.user;
    if (!access_->users || access_->users->empty()) {
        refuse("auth", {454, "4.7.0", "Authentication is not available now"}); // SS-082
        co_return;
    }
    if (!core_.throttle.allows(from, user, core_.hooks.clock.now())) { // SS-086
        wipe(credentials.password);
        refuse("auth", {454, "4.7.0", "Too many failures, try later"});
        ++failed_auth_;
        co_return;
    }
    auto work = [users = access_->users, secret = std::move(credentials)]() mutable {
        bool right = users->check(secret.user, secret.password);
        wipe(secret.password);
        return right;
    };
    bool right = co_await core_.crypt.run(std::move(work));
    if (right) {
        ++core_.counters.auth_succeeded;
        core_.throttle.succeeded(from, user);
        user_ = user;
        say({235, "2.7.0", "Authentication successful"});
        co_return;
    }
    ++core_.counters.auth_failed;
    ++failed_auth_;
    core_.throttle.failed(from, user, core_.hooks.clock.now());
    refuse("auth", {535, "5.7.8", "Authentication credentials invalid"}, printable(user, 64));
}

} // namespace danelaw::relay
