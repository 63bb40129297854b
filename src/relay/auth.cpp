// AUTH PLAIN and LOGIN against the users file, under TLS only; the check runs on a worker (SS-080…SS-086).
#include "session.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <boost/asio/this_coro.hpp>

namespace danelaw::relay {

// One challenge and its answer, decoded; nullopt when it was refused already.
Task<std::optional<std::string>> Session::auth_answer(std::string challenge) {
    out_ += "334 " + challenge + "\r\n";
    if (!co_await flush()) co_return std::nullopt;
    auto line = co_await io_.read_line(limits::auth_line, net::Buffered::LineEnd::crlf_only, command_deadline());
    if (!line) {
        if (line.error().code == Errc::limit)
            say({500, "5.5.6", "Line too long"});
        else
            io_.stream().close();
        co_return std::nullopt;
    }
    if (*line == "*") {
        say({501, "5.0.0", "Authentication cancelled"});
        co_return std::nullopt;
    }
    auto octets = smtp::parse_auth_octets(*line);
    if (!octets) {
        say(octets.error());
        co_return std::nullopt;
    }
    co_return std::move(*octets);
}

Task<Session::Go> Session::auth(const smtp::Command& command) {
    const auto parsed = smtp::parse_auth(command.arguments);
    if (!parsed) {
        ++useless_;
        say(parsed.error());
        co_return Go::on;
    }
    const auto go_on = [this] { return io_.stream().is_open() ? Go::on : Go::close; };
    std::optional<std::string> first;
    if (parsed->initial) {
        auto octets = smtp::parse_auth_octets(*parsed->initial == "=" ? "" : *parsed->initial);
        if (!octets) {
            say(octets.error());
            co_return Go::on;
        }
        first = std::move(*octets);
    }
    if (parsed->mechanism == "PLAIN") {
        if (!first) first = co_await auth_answer("");
        if (!first) co_return go_on();
        auto credentials = smtp::parse_plain(*first);
        if (!credentials) {
            say(credentials.error());
            co_return Go::on;
        }
        co_return co_await check_password(std::move(credentials->user), std::move(credentials->password));
    }
    if (parsed->mechanism != "LOGIN") {
        say({504, "5.5.4", "Unknown mechanism"});
        co_return Go::on;
    }
    if (!first) first = co_await auth_answer(base64("Username:"));
    if (!first) co_return go_on();
    auto password = co_await auth_answer(base64("Password:"));
    if (!password) co_return go_on();
    co_return co_await check_password(std::move(*first), std::move(*password));
}

Task<Session::Go> Session::check_password(std::string user, std::string password) {
    const auto client = client_text();
    const auto now = server_.parts.clock.now();
    bool good = false;
    if (server_.throttle.allows(client, user, now)) {
        auto users = server_.users;
        std::function<bool()> work = [users, user, password] { return users->check(user, password); };
        good = co_await server_.workers.run(std::move(work));
    }
    if (good) {
        server_.throttle.succeeded(client, user);
        user_ = std::move(user);
        say({235, "2.7.0", "Authenticated"});
        co_return Go::on;
    }
    server_.throttle.failed(client, user, now);
    server_.parts.log.event(log::Level::warn, "rejected",
                            {{"client", client}, {"command", "AUTH"}, {"code", 535}, {"text", "wrong credentials"}});
    if (++failed_auth_ >= limits::failed_auth)
        co_return co_await leave({421, "4.7.0", "Too many failed logins, closing the connection"});
    say({535, "5.7.8", "Authentication credentials invalid"});
    co_return Go::on;
}

} // namespace danelaw::relay
