// Arrival, command lines, replies: the loop that every session runs.
#include "session.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/net/proxy.hpp"
#include "danelaw/net/wakeup.hpp"

#include <boost/asio/this_coro.hpp>

namespace danelaw::relay {

using smtp::ServerReply;
using smtp::Verb;
using namespace std::chrono_literals;

namespace {

std::string stage_of(Verb verb) {
    return verb == Verb::unknown || verb == Verb::malformed ? "command" : lower(word(verb));
}

} // namespace

Session::Session(Core& core, net::Stream stream, Door door)
    : core_(core), io_(std::move(stream)), door_(std::move(door)), access_(core.access),
      name_(core.new_session_name()) {
    unix_ = io_.stream().is_unix();
    if (auto peer = io_.stream().peer()) address_ = peer->address;
}

Session::~Session() {
    forget_transaction();
    if (counted_) core_.doorman.leave_client(counted_as_);
    core_.doorman.leave();
}

net::Task<void> Session::run() {
    if (co_await arrive()) co_await converse();
    co_await drop_transaction();
    co_await flush();
    co_await io_.stream().close_gently(net::deadline_after(2s));
}

// SS-093: the claimed address counts only here, before a word was said.
net::Task<bool> Session::told_by_proxy() {
    auto header =
        co_await net::read_proxy(io_, net::deadline_after(std::min<Millis>(settings().limits.command_timeout, 10s)));
    if (!header) {
        log(log::Level::warn, "rejected", {{"stage", "proxy"}, {"text", header.error().detail}});
        io_.stream().close();
        co_return false;
    }
    if (header->source) {
        address_ = header->source->address;
        unix_ = false;
    }
    co_return true;
}

// SS-025: a client's share of the connections.
bool Session::admitted() {
    if (!address_) return true;
    counted_as_ = address_->text();
    counted_ = core_.doorman.enter_client(counted_as_, settings().limits.connections_per_client);
    return counted_;
}

net::Task<bool> Session::arrive() {
    if (door_.settings.proxy_protocol && !co_await told_by_proxy()) co_return false;
    bool implicit = door_.settings.tls == config::ListenerTls::implicit;
    if (!admitted()) {
        ++core_.counters.connections_refused;
        ServerReply reply{421, "4.7.0", settings().hostname + " Too many connections from your address"};
        refuse("connect", reply);
        if (implicit) out_.clear(); // no clear text on a TLS port (SS-074)
        co_return false;
    }
    if (implicit && !co_await handshake()) co_return false;
    if (io_.input_waiting() && !early_talker("greeting")) co_return false;
    say({220, "", settings().hostname + " ESMTP Danelaw"}); // SS-001
    co_return true;
}

net::Task<void> Session::converse() {
    while (open_) {
        auto line = co_await next_line();
        if (line) {
            co_await obey(*line);
        } else if (line.error().code == Errc::limit) {
            ServerReply reply{500, "5.5.2", "Line too long"}; // SS-021: it was read to its end
            note_reply(Verb::unknown, reply);
            refuse("command", reply);
            co_await punish();
        } else {
            part(line.error());
        }
        if (out_.size() > limits::replies_held && !co_await flush()) open_ = false;
    }
}

// The session ends without a command that says so.
void Session::part(const Error& error) {
    open_ = false;
    if (error.code == Errc::timeout)
        say({421, "4.4.2", settings().hostname + " Timeout, closing connection"});                  // SS-026
    if (error.code == Errc::cancelled) say({421, "4.3.2", settings().hostname + " Shutting down"}); // SS-027
}

// The next line; whenever input runs dry, all replies are on their way first (SS-060).
net::Task<Result<std::string>> Session::next_line() {
    auto deadline = limit();
    if (!io_.line_buffered()) {
        if (!co_await flush()) co_return fail(Errc::closed, "client does not read");
        if (core_.phase == Phase::running) {
            auto ready = co_await io_.await_line(limits::auth_line, deadline);
            if (!ready) co_return fail(ready.error());
        }
    }
    if (core_.phase != Phase::running) co_return fail(Errc::cancelled, "shutting down");
    co_return co_await io_.read_line(limits::auth_line, net::Buffered::LineEnd::crlf_only, deadline);
}

net::Task<void> Session::obey(std::string_view line) {
    auto command = smtp::parse_command(line);
    if (core_.hooks.log.enabled(log::Level::debug)) {
        bool secret = command.verb == Verb::auth; // SS-085
        log(log::Level::debug, "smtp-in", {{"line", secret ? std::string("AUTH ...") : printable(line, 512)}});
    }
    if (line.size() > limits::command_line && command.verb != Verb::auth) {
        refuse("command", {500, "5.5.2", "Line too long"}); // SS-020, SS-021
        ++wrong_;
    } else if (command.verb == Verb::bdat) {
        co_await bdat(command); // its octets follow whatever the state is (SS-044)
    } else if (auto no = smtp::refusal(facts(), command)) {
        note_reply(command.verb, *no);
        refuse(stage_of(command.verb), *no);
    } else {
        co_await carry_out(command);
    }
    co_await punish();
}

net::Task<void> Session::carry_out(smtp::Command command) {
    switch (command.verb) {
    case Verb::ehlo:
        if (ehlo(command.arguments)) co_await drop_transaction(); // RFC 5321 4.1.4
        break;
    case Verb::helo:
        if (helo(command.arguments)) co_await drop_transaction();
        break;
    case Verb::mail: mail(command.arguments); break;
    case Verb::rcpt: rcpt(command.arguments); break;
    case Verb::data: co_await data(); break;
    case Verb::rset:
        co_await drop_transaction();
        state_ = smtp::after(state_, Verb::rset);
        say({250, "2.0.0", "Ok"});
        break;
    case Verb::noop: say({250, "2.0.0", "Ok"}); break;
    case Verb::vrfy: say({252, "2.0.0", "Send some mail, it will be tried"}); break; // SS-013
    case Verb::help: say({214, "2.0.0", "See RFC 5321"}); break;
    case Verb::quit:
        say({221, "2.0.0", settings().hostname + " Bye"});
        open_ = false;
        break;
    case Verb::starttls: co_await starttls(); break;
    case Verb::auth: co_await auth(command.arguments); break;
    case Verb::bdat:
    case Verb::expn:
    case Verb::unknown:
    case Verb::malformed: break; // bdat() or refused before
    }
    bool empty = command.verb == Verb::noop || command.verb == Verb::vrfy || command.verb == Verb::help ||
                 command.verb == Verb::rset;
    if (empty && right() == Right::none) ++wrong_; // SS-016: honest MTAs keep connections alive with NOOP
}

void Session::note_reply(Verb verb, const ServerReply& reply) {
    bool wrong = (reply.code >= 500 && reply.code <= 504) || reply.code == 555 || verb == Verb::unknown;
    if (wrong) ++wrong_;
}

void Session::say(ServerReply reply) {
    if (core_.hooks.log.enabled(log::Level::debug))
        log(log::Level::debug, "smtp-out", {{"code", reply.code}, {"enhanced", reply.enhanced}, {"text", reply.text}});
    out_ += smtp::wire(reply);
}

// A refusal is said, counted and logged: one event each (SS-098).
void Session::refuse(std::string_view stage, ServerReply reply, std::string_view recipient) {
    ++core_.counters.rejected;
    boost::json::object fields{
        {"stage", stage}, {"code", reply.code}, {"enhanced", reply.enhanced}, {"text", reply.text}};
    if (transaction_) fields["sender"] = transaction_->envelope.reverse_path;
    if (!recipient.empty()) fields["recipient"] = recipient;
    fields["client"] = client_text();
    fields["auth"] = user_;
    fields["tls"] = tls_text_;
    log(log::Level::info, "rejected", std::move(fields));
    say(std::move(reply));
}

net::Task<bool> Session::flush() {
    if (core_.phase == Phase::stopping) co_await boost::asio::this_coro::reset_cancellation_state(); // the last word
    if (out_.empty()) co_return true;
    auto sending = std::move(out_);
    out_.clear();
    auto sent = co_await io_.write(sending, limit());
    co_return sent.has_value();
}

// SS-016: delays that grow, then the end.
net::Task<void> Session::punish() {
    if (wrong_ + failed_auth_ == punished_ || !open_) co_return;
    punished_ = wrong_ + failed_auth_;
    int beyond = std::max(wrong_ - limits::useless_commands / 2, failed_auth_);
    if (wrong_ >= limits::useless_commands || failed_auth_ >= limits::failed_auth) {
        say({421, "4.7.0", settings().hostname + " Too many errors"});
        open_ = false;
    } else if (beyond > 0) {
        co_await net::pause_until(net::deadline_after(core_.hooks.penalty * beyond));
    }
}

} // namespace danelaw::relay
