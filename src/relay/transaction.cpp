// MAIL, RCPT, DATA and BDAT: from an envelope to a message on stable storage.
#include "session.hpp"

#include "danelaw/base/id.hpp"
#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <algorithm>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <sys/statvfs.h>

namespace danelaw::relay {
namespace {

// A body must come at this rate on the whole, or its sender holds a place for ever (SS-026).
constexpr Bytes octets_per_second = 100;
constexpr Millis grace = std::chrono::minutes(5);

bool is_postmaster(const smtp::Mailbox& mailbox, const std::string& hostname) { // SS-010
    return iequals(mailbox.local, "postmaster") && (mailbox.domain.empty() || iequals(mailbox.domain, hostname));
}

} // namespace

// Below the floor nothing new is taken: what was accepted must always fit (SS-024).
std::optional<smtp::ServerReply> Session::no_room() const {
    struct statvfs disk{};
    if (settings_->queue.store != config::StoreKind::sqlite) return std::nullopt;
    if (statvfs(settings_->queue.path.c_str(), &disk) != 0)
        return smtp::ServerReply{451, "4.3.0", "The queue can't be reached now, try again later"};
    const Bytes available = static_cast<Bytes>(disk.f_bavail) * disk.f_frsize;
    if (available >= settings_->limits.min_free_disk) return std::nullopt;
    return smtp::ServerReply{452, "4.3.1", "Insufficient system storage, try again later"};
}

void Session::mail(const smtp::Command& command) {
    settings_ = server_.parts.settings(); // what was reloaded counts from here on (SS-095)
    const bool in_tls = io_.stream_is_tls();
    auto parsed = smtp::parse_mail(command.arguments, syntax(),
                                   in_tls                                            ? smtp::RequireTls::offered
                                   : where_.settings.tls == config::ListenerTls::off ? smtp::RequireTls::not_offered
                                                                                     : smtp::RequireTls::needs_tls);
    if (!parsed) return refuse(command, parsed.error());
    if (parsed->size && *parsed->size > settings_->limits.message_size)
        return refuse(command, {552, "5.3.4", "The message is too large"}); // SS-023
    if (auto full = no_room()) return refuse(command, std::move(*full));
    forget_transaction();
    auto& envelope = message_.envelope;
    envelope.id = new_queue_id(server_.parts.clock.now());
    envelope.reverse_path = parsed->path.text();
    envelope.body = parsed->body;
    envelope.smtputf8 = smtputf8_ = parsed->smtputf8;
    envelope.requiretls = parsed->requiretls;
    envelope.ret = parsed->ret;
    envelope.envid = parsed->envid;
    if (parsed->auth) envelope.auth = user_.empty() ? "<>" : *parsed->auth; // SS-084
    state_ = smtp::after(state_, smtp::Verb::mail);
    say({250, "2.1.0", "Ok"});
}

void Session::rcpt(const smtp::Command& command) {
    auto parsed = smtp::parse_rcpt(command.arguments, syntax(), smtputf8_ ? smtp::Utf8::on : smtp::Utf8::off);
    if (!parsed) {
        if (state_ == smtp::State::mail) state_ = smtp::State::refused;
        return refuse(command, parsed.error());
    }
    message::Recipient recipient;
    recipient.address = parsed->mailbox.text();
    if (is_postmaster(parsed->mailbox, settings_->hostname)) {
        recipient.address = settings_->postmaster;
    } else if (!permitted()) {
        if (state_ == smtp::State::mail) state_ = smtp::State::refused;
        const auto now = facts();
        const bool auth_helps = now.auth == smtp::Auth::offered || now.auth == smtp::Auth::demanded;
        if (auth_helps) return refuse(command, {530, "5.7.0", "Authentication required"});
        return refuse(command, {550, "5.7.1", "Relaying is not allowed for you"});
    }
    recipient.domain = smtp::lane_of(recipient.address);
    if (recipient.domain.empty()) {
        if (state_ == smtp::State::mail) state_ = smtp::State::refused;
        return refuse(command, {501, "5.1.3", "The recipient's domain is no domain"});
    }
    if (message_.recipients.size() >= settings_->limits.recipients_per_message)
        return refuse(command, {452, "4.5.3", "Too many recipients"}); // SS-022: those accepted stay
    recipient.orcpt = parsed->orcpt;
    recipient.notify = parsed->notify;
    recipient.number = static_cast<std::uint32_t>(message_.recipients.size());
    state_ = smtp::after(state_, smtp::Verb::rcpt);
    say({250, "2.1.5", "Ok"});
    // The same address again is one copy, unless it asks for other notices (DQ-060).
    const bool known = std::any_of(message_.recipients.begin(), message_.recipients.end(), [&](const auto& other) {
        return other.address == recipient.address && other.orcpt == recipient.orcpt && other.notify == recipient.notify;
    });
    if (!known) message_.recipients.push_back(std::move(recipient));
}

void Session::begin_content() {
    if (!inflow_) inflow_.emplace(server_.parts.queue, message_.envelope.id, settings_->limits.message_size);
}

Task<Session::Go> Session::data() {
    begin_content();
    say({354, "", "End data with <CR><LF>.<CR><LF>"});
    if (!co_await flush()) co_return Go::close;
    smtp::DataDecoder decoder;
    Bytes received = 0;
    const auto began = std::chrono::steady_clock::now();
    for (;;) {
        auto piece = co_await io_.read_some(limits::chunk, command_deadline());
        if (!piece) co_return co_await lost_patience(piece.error());
        std::string decoded;
        const auto fed = decoder.feed(*piece, decoded);
        if (fed.used < piece->size()) io_.put_back(std::string_view(*piece).substr(fed.used));
        received += fed.used;
        co_await inflow_->take(std::move(decoded));
        if (fed.ended) break;
        const auto spent = std::chrono::steady_clock::now() - began;
        if (spent > grace && received < octets_per_second * static_cast<Bytes>(spent / Seconds{1}))
            co_return co_await leave({421, "4.4.2", "The message comes too slowly"});
    }
    message_.envelope.content.bare_line_ends = decoder.bare_line_ends();
    co_return co_await end_of_message();
}

Task<Session::Go> Session::bdat(const smtp::Command& command) {
    const auto chunk = smtp::parse_bdat(command.arguments);
    if (!chunk) co_return co_await leave(chunk.error()); // what follows on the wire is unknown (SS-045)
    begin_content();
    const bool binary = message_.envelope.body == smtp::Body::binary_mime;
    for (auto left = chunk->size; left > 0;) {
        if (out_.size() > 0 && io_.buffered() == 0 && !co_await flush()) co_return Go::close;
        auto piece = co_await io_.read_some(std::min<std::uint64_t>(left, limits::chunk), command_deadline());
        if (!piece) co_return co_await lost_patience(piece.error());
        left -= piece->size();
        std::string decoded;
        if (binary)
            decoded = std::move(*piece);
        else
            bdat_decoder_.feed(*piece, decoded);
        co_await inflow_->take(std::move(decoded));
    }
    if (inflow_->refused()) { // RFC 3030 2: RSET is needed; chunks in flight are dropped
        refuse(command, *inflow_->refused());
        co_await inflow_->give_up();
        state_ = smtp::State::bdat_failed;
        co_return Go::on;
    }
    if (!chunk->last) {
        state_ = smtp::State::bdat;
        say({250, "2.0.0", fmt::format("{} octets received", chunk->size)});
        co_return Go::on;
    }
    std::string rest;
    if (!binary) bdat_decoder_.finish(rest);
    co_await inflow_->take(std::move(rest));
    message_.envelope.content.bare_line_ends = !binary && bdat_decoder_.bare_line_ends();
    co_return co_await end_of_message();
}

Task<Session::Go> Session::end_of_message() {
    // From here on the client may believe that we have it: a stopping relay finishes this first (SS-027).
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
    auto& envelope = message_.envelope;
    const auto now = server_.parts.clock.now();
    envelope.received_at = now;
    envelope.client.address = peer_;
    envelope.client.helo = helo_;
    envelope.client.user = !user_.empty() ? user_ : certificate_;
    envelope.client.protocol = protocol();
    envelope.client.tls = tls_text_;
    for (auto& recipient : message_.recipients) recipient.next_attempt = now;
    Inflow::Rules rules;
    rules.hostname = settings_->hostname;
    rules.add_missing = where_.settings.add_missing_headers;
    rules.reject_bare = where_.settings.bare_newline == config::BareNewline::reject;
    rules.bare_line_ends = envelope.content.bare_line_ends;
    rules.binary = envelope.body == smtp::Body::binary_mime;
    auto jobs = co_await inflow_->finish(message_, rules, now);
    if (!jobs) {
        refuse({smtp::Verb::data, ""}, jobs.error());
    } else {
        boost::json::array recipients;
        for (const auto& recipient : message_.recipients) recipients.emplace_back(recipient.address);
        server_.parts.log.event(log::Level::info, "accepted",
                                {{"id", envelope.id},
                                 {"sender", envelope.reverse_path},
                                 {"recipients", std::move(recipients)},
                                 {"size", envelope.content.size},
                                 {"client", client_text()},
                                 {"auth", user_},
                                 {"tls", tls_text_}});
        say({250, "2.0.0", "Ok: queued as " + envelope.id});
        server_.parts.accepted(std::move(*jobs));
    }
    forget_transaction();
    state_ = smtp::State::greeted;
    if (!io_.line_buffered() && !co_await flush()) co_return Go::close;
    co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::enable_terminal_cancellation());
    if (server_.stopping) co_return co_await leave({421, "4.3.2", settings_->hostname + " is stopping"});
    co_return Go::on;
}

} // namespace danelaw::relay
