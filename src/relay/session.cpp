// The dialogue: a line, its command, the table's word, the command's own work. Replies go out whenever input runs dry
// (SS-060).
#include "session.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/net/proxy.hpp"

#include <algorithm>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace danelaw::relay {
namespace {

constexpr Millis proxy_wait = std::chrono::seconds(10);
constexpr Millis last_word = std::chrono::seconds(5);
constexpr std::size_t out_most = 64 * 1024; // replies held back for grouping

} // namespace

Session::Session(Server::State& server, const Open& where, net::Stream stream)
    : server_(server), where_(where), tls_(where.tls), settings_(server.parts.settings()), io_(std::move(stream)) {}

Task<void> serve_session(Server::State& server, const Open& where, net::Stream stream) {
    Session session(server, where, std::move(stream));
    co_await session.run();
}

net::Deadline Session::command_deadline() const {
    return net::deadline_after(settings_->limits.command_timeout);
}

Task<void> Session::run() {
    if (const auto peer = io_.stream().peer()) peer_ = peer->address;
    const bool room = server_.doorman.enter(settings_->limits.connections);
    if (!room) {
        (void)co_await io_.write(wire(smtp::ServerReply{421, "4.3.2", "Too many connections, try again later"}),
                                 net::deadline_after(last_word));
        co_return;
    }
    if (co_await arrive()) {
        if (peer_)
            counted_client_ = server_.doorman.enter_client(peer_->text(), settings_->limits.connections_per_client);
        if (!peer_ || counted_client_)
            co_await dialogue();
        else
            co_await leave({421, "4.7.0", "Too many connections from your address, try again later"});
        if (counted_client_) server_.doorman.leave_client(peer_->text());
    }
    if (inflow_) co_await inflow_->give_up(); // nothing half-received is kept (SS-014)
    server_.doorman.leave();
}

Task<bool> Session::arrive() {
    if (where_.settings.proxy_protocol) {
        auto header = co_await net::read_proxy(io_, net::deadline_after(proxy_wait));
        if (!header) co_return false; // closed without a word (SS-093)
        if (header->source) peer_ = header->source->address;
    }
    if (where_.settings.tls != config::ListenerTls::implicit) co_return true;
    auto ssl = tls_->prepare();
    if (!ssl) co_return false;
    auto done = co_await io_.stream().start_tls(*ssl, net::Stream::Side::server, command_deadline());
    if (!done) co_return false;
    const auto told = tls::server_facts(io_.stream().ssl());
    tls_text_ = told.protocol + " " + told.cipher;
    certificate_ = told.client.value_or("");
    co_return true;
}

Task<void> Session::dialogue() {
    say({220, "", settings_->hostname + " ESMTP Danelaw"});
    while (co_await next_command() == Go::on) {
    }
    co_await flush();
    if (io_.stream().is_open()) co_await io_.stream().close_gently(net::deadline_after(last_word));
}

Task<bool> Session::flush() {
    if (out_.empty()) co_return true;
    std::string octets;
    octets.swap(out_);
    auto written = co_await io_.write(octets, command_deadline());
    co_return written.has_value();
}

void Session::say(smtp::ServerReply reply) {
    out_ += wire(reply);
}

void Session::refuse(const smtp::Command& command, smtp::ServerReply reply) {
    server_.parts.log.event(log::Level::info, "rejected",
                            {{"client", client_text()},
                             {"command", word(command.verb)},
                             {"code", reply.code},
                             {"enhanced", reply.enhanced},
                             {"text", reply.text}});
    say(std::move(reply));
}

Task<Session::Go> Session::leave(smtp::ServerReply reply) {
    say(std::move(reply));
    co_await flush();
    co_return Go::close;
}

// Nothing came in time, the client went away, or the relay is stopping.
Task<Session::Go> Session::lost_patience(const Error& error) {
    if (error.code == Errc::timeout) co_return co_await leave({421, "4.4.2", "Timeout, closing the connection"});
    if (error.code == Errc::cancelled) {
        co_await boost::asio::this_coro::reset_cancellation_state();
        co_return co_await leave({421, "4.3.2", settings_->hostname + " is stopping, try again later"});
    }
    co_return Go::close;
}

Task<Session::Go> Session::next_command() {
    if (!io_.line_buffered() || out_.size() > out_most) {
        if (!co_await flush()) co_return Go::close;
        auto came = co_await io_.await_line(limits::command_line, command_deadline());
        if (!came) co_return co_await lost_patience(came.error());
    }
    auto line = co_await io_.read_line(limits::command_line, net::Buffered::LineEnd::crlf_only, command_deadline());
    if (!line && line.error().code != Errc::limit) co_return co_await lost_patience(line.error());
    if (useless_ > limits::useless_commands)
        co_return co_await leave({421, "4.7.0", "Too many useless commands, closing the connection"}); // SS-016
    if (!line) {
        ++useless_;
        say({500, "5.5.2", "Line too long"}); // SS-021: its tail was read, and is never run
        co_return Go::on;
    }
    const auto command = smtp::parse_command(*line);
    if (auto no = smtp::refusal(facts(), command)) {
        ++useless_;
        say(std::move(*no));
        // what BDAT announced follows all the same: read and dropped, or the session is out of step (SS-044)
        if (command.verb != smtp::Verb::bdat) co_return Go::on;
        const auto chunk = smtp::parse_bdat(command.arguments);
        if (!chunk) co_return Go::close;
        for (auto left = chunk->size; left > 0;) {
            if (!co_await flush()) co_return Go::close;
            auto dropped = co_await io_.read_some(std::min<std::uint64_t>(left, limits::chunk), command_deadline());
            if (!dropped) co_return co_await lost_patience(dropped.error());
            left -= dropped->size();
        }
        co_return Go::on;
    }
    co_return co_await run_command(command);
}

Task<Session::Go> Session::run_command(const smtp::Command& command) {
    using smtp::Verb;
    switch (command.verb) {
    case Verb::ehlo:
    case Verb::helo: hello(command); break;
    case Verb::mail: mail(command); break;
    case Verb::rcpt: rcpt(command); break;
    case Verb::data: co_return co_await data();
    case Verb::bdat: co_return co_await bdat(command);
    case Verb::rset:
        if (inflow_) co_await inflow_->give_up();
        forget_transaction();
        say({250, "2.0.0", "Ok"});
        break;
    case Verb::noop: say({250, "2.0.0", "Ok"}); break;
    case Verb::vrfy: say({252, "2.0.0", "Try and see"}); break;
    case Verb::help: say({214, "2.0.0", "Danelaw relays mail under DANE. RFC 5321, RFC 7672"}); break;
    case Verb::expn: say({502, "5.5.1", "EXPN is not available"}); break;
    case Verb::quit: co_return co_await leave({221, "2.0.0", settings_->hostname + " closing"});
    case Verb::starttls: co_return co_await starttls();
    case Verb::auth: co_return co_await auth(command);
    case Verb::unknown:
    case Verb::malformed:
        ++useless_;
        say({500, "5.5.2", "Command not recognised"});
        break;
    }
    co_return Go::on;
}

smtp::SessionFacts Session::facts() const {
    smtp::SessionFacts out;
    out.state = state_;
    const bool in_tls = io_.stream_is_tls();
    using config::AuthMode;
    using config::ListenerTls;
    switch (where_.settings.tls) {
    case ListenerTls::off: out.tls = smtp::Tls::absent; break;
    case ListenerTls::starttls: out.tls = smtp::Tls::offered; break;
    case ListenerTls::required: out.tls = smtp::Tls::demanded; break;
    case ListenerTls::implicit: out.tls = smtp::Tls::active; break;
    }
    if (in_tls) out.tls = smtp::Tls::active;
    out.certificate_ready = tls_ != nullptr;
    const bool on_offer = where_.settings.auth != AuthMode::off && server_.users != nullptr;
    out.auth = !user_.empty()                               ? smtp::Auth::done
               : !on_offer                                  ? smtp::Auth::absent
               : where_.settings.auth == AuthMode::required ? smtp::Auth::demanded
                                                            : smtp::Auth::offered;
    out.auth_needs_tls = !where_.is_unix;
    out.esmtp = esmtp_;
    out.body = message_.envelope.body;
    return out;
}

// SS-090: a unix socket, an allowed address, a user, a verified certificate; nobody else.
bool Session::permitted() const {
    if (where_.is_unix || !user_.empty() || !certificate_.empty()) return true;
    if (!peer_) return false;
    const auto& allow = settings_->relay.allow;
    return std::any_of(allow.begin(), allow.end(), [&](const auto& prefix) { return prefix.contains(*peer_); });
}

std::string Session::client_text() const {
    return peer_ ? peer_->text() : "unix";
}

// RFC 3848, RFC 6531 4.3 (SS-049).
std::string Session::protocol() const {
    if (!esmtp_) return "SMTP";
    std::string out = smtputf8_ ? "UTF8SMTP" : "ESMTP";
    if (!tls_text_.empty()) out += "S";
    if (!user_.empty()) out += "A";
    return out;
}

void Session::forget_transaction() {
    message_ = {};
    inflow_.reset();
    bdat_decoder_ = {};
    smtputf8_ = false;
    if (state_ != smtp::State::connected) state_ = smtp::State::greeted;
}

void Session::hello(const smtp::Command& command) {
    const auto name = smtp::parse_helo_name(command.arguments);
    if (!name) {
        ++useless_;
        say(name.error()); // a refused one leaves the state as it was (SS-003)
        return;
    }
    helo_ = *name;
    esmtp_ = command.verb == smtp::Verb::ehlo;
    state_ = smtp::State::greeted;
    forget_transaction();
    say({250, "", settings_->hostname + (esmtp_ ? offers() : std::string())});
}

// What is really on, in the state that it is on in (SS-005).
std::string Session::offers() const {
    const auto now = facts();
    std::string out =
        fmt::format("\nPIPELINING\nSIZE {}\n8BITMIME\nENHANCEDSTATUSCODES\nDSN\nCHUNKING\nBINARYMIME\nSMTPUTF8"
                    "\nLIMITS RCPTMAX={}",
                    settings_->limits.message_size, settings_->limits.recipients_per_message);
    const bool in_tls = now.tls == smtp::Tls::active;
    if (in_tls) out += "\nREQUIRETLS";
    if ((now.tls == smtp::Tls::offered || now.tls == smtp::Tls::demanded) && now.certificate_ready) out += "\nSTARTTLS";
    const bool auth = now.auth == smtp::Auth::offered || now.auth == smtp::Auth::demanded;
    if (auth && (in_tls || !now.auth_needs_tls)) out += "\nAUTH PLAIN LOGIN";
    return out;
}

Task<Session::Go> Session::starttls() {
    say({220, "2.0.0", "Ready to start TLS"});
    // Octets behind the STARTTLS line are an injection (SS-071; CVE-2011-0411): never run, not even answered.
    if (io_.buffered() > 0 || io_.input_waiting()) {
        out_.clear();
        server_.parts.log.event(
            log::Level::warn, "rejected",
            {{"client", client_text()}, {"command", "STARTTLS"}, {"text", "octets sent ahead of TLS"}});
        co_return co_await leave({421, "4.7.0", "Octets were sent ahead of the TLS handshake"});
    }
    if (!co_await flush()) co_return Go::close;
    auto ssl = tls_->prepare();
    if (!ssl) co_return Go::close;
    auto done = co_await io_.start_tls(*ssl, net::Stream::Side::server, command_deadline());
    if (!done) {
        server_.parts.log.event(log::Level::info, "rejected",
                                {{"client", client_text()}, {"command", "STARTTLS"}, {"text", done.error().detail}});
        co_return Go::close;
    }
    const auto told = tls::server_facts(io_.stream().ssl());
    tls_text_ = told.protocol + " " + told.cipher;
    certificate_ = told.client.value_or("");
    helo_.clear(); // the session starts anew (SS-072)
    esmtp_ = false;
    user_.clear();
    forget_transaction();
    state_ = smtp::State::connected;
    co_return Go::on;
}

} // namespace danelaw::relay
