// DATA and BDAT: the content's way in, and the reply that means it is safe.
#include "session.hpp"

#include "danelaw/base/id.hpp"
#include "danelaw/base/limits.hpp"
#include "danelaw/message/received.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>

namespace danelaw::relay {

using smtp::ServerReply;
using smtp::State;
using smtp::Verb;

// What arrives next, at most so many octets. A time limit for each read, and for all together so much as the slowest
// bearable sender needs (SS-026). Shutdown does not end it: content that is coming may come (SS-027).
net::Task<Result<std::string>> Session::read_content(std::size_t most, Pace& pace) {
    auto patience = settings().limits.command_timeout;
    Millis earned(static_cast<std::int64_t>(pace.received * 1000 / limits::data_octets_per_second));
    auto deadline = std::min(net::deadline_after(patience), pace.began + patience + earned);
    if (io_.buffered() == 0 && !co_await flush()) co_return fail(Errc::closed, "client does not read");
    while (true) {
        auto ready = co_await io_.await_input(deadline);
        if (ready) break;
        bool draining =
            ready.error().code == Errc::cancelled && core_.phase == Phase::stopping && io_.stream().is_open();
        if (!draining) co_return fail(ready.error());
        co_await boost::asio::this_coro::reset_cancellation_state();
    }
    auto piece = co_await io_.read_some(most, deadline);
    if (piece) pace.received += piece->size();
    co_return piece;
}

void Session::begin_intake() {
    auto& t = *transaction_;
    const auto& settings_then = *t.access->settings;
    t.envelope.received_at = core_.hooks.clock.now();
    t.envelope.id = new_queue_id(t.envelope.received_at);
    bool add = door_.settings.add_missing_headers;
    auto missing = [add, now = t.envelope.received_at, id = t.envelope.id,
                    host = settings_then.hostname](const message::HeaderScan& scan) {
        return add ? message::missing_fields(scan, now, id, host) : std::string(); // D-19
    };
    auto signer = core_.hooks.signer ? core_.hooks.signer() : nullptr;
    t.intake = std::make_unique<Intake>(core_.hooks.queue, t.envelope.id, settings_then.limits.message_size,
                                        std::move(signer), std::move(missing));
}

net::Task<void> Session::data() {
    if (io_.buffered() > 0 && !early_talker("data")) co_return;
    say({354, "", "End data with <CR><LF>.<CR><LF>"});
    begin_intake();
    auto& intake = *transaction_->intake;
    smtp::DataDecoder decoder;
    Pace pace;
    std::string decoded;
    for (bool ended = false; !ended;) {
        auto piece = co_await read_content(limits::chunk, pace);
        if (!piece) {
            part(piece.error()); // nothing half-received is queued (SS-014)
            co_return;
        }
        decoded.clear();
        auto fed = decoder.feed(*piece, decoded);
        ended = fed.ended;
        if (fed.used < piece->size()) io_.put_back(std::string_view(*piece).substr(fed.used));
        intake.take(decoded);
        if (intake.wants_to_store()) co_await intake.store();
    }
    co_await accept_message(decoder.bare_line_ends());
}

// SS-044: exactly that many octets are read, whatever they are good for.
net::Task<void> Session::bdat(smtp::Command command) {
    auto parsed = smtp::parse_bdat(command.arguments);
    if (!parsed) {
        note_reply(Verb::bdat, parsed.error());
        refuse("bdat", parsed.error()); // SS-045
        co_return;
    }
    if (auto no = smtp::refusal(facts(), command)) {
        if (!co_await swallow(parsed->size)) co_return;
        note_reply(Verb::bdat, *no);
        refuse("bdat", *no);
        co_return;
    }
    state_ = smtp::after(state_, Verb::bdat);
    if (!transaction_->intake) begin_intake();
    if (!co_await take_chunk(parsed->size)) co_return;
    const auto& intake = *transaction_->intake;
    if (!parsed->last && (intake.too_large() || intake.failure())) {
        refuse("bdat", *content_refusal(false));
        co_await transaction_->intake->discard();
        state_ = State::bdat_failed;
        co_return;
    }
    if (!parsed->last) {
        say({250, "2.0.0", std::to_string(parsed->size) + " octets received"});
        co_return;
    }
    std::string tail;
    transaction_->bdat.finish(tail);
    transaction_->intake->take(tail);
    co_await accept_message(transaction_->bdat.bare_line_ends());
}

net::Task<bool> Session::swallow(std::uint64_t octets) {
    Pace pace;
    while (octets > 0) {
        auto piece =
            co_await read_content(static_cast<std::size_t>(std::min<std::uint64_t>(octets, limits::chunk)), pace);
        if (!piece) {
            part(piece.error());
            co_return false;
        }
        octets -= piece->size();
    }
    co_return true;
}

net::Task<bool> Session::take_chunk(std::uint64_t octets) {
    auto& t = *transaction_;
    bool binary = t.envelope.body == message::Body::binary_mime; // kept octet for octet (SS-046)
    Pace pace;
    std::string decoded;
    while (octets > 0) {
        auto piece =
            co_await read_content(static_cast<std::size_t>(std::min<std::uint64_t>(octets, limits::chunk)), pace);
        if (!piece) {
            part(piece.error());
            co_return false;
        }
        octets -= piece->size();
        decoded.clear();
        if (!binary) t.bdat.feed(*piece, decoded);
        t.intake->take(binary ? *piece : decoded);
        if (t.intake->wants_to_store()) co_await t.intake->store();
    }
    co_return true;
}

// Why the content is not taken; nullopt: it is.
std::optional<ServerReply> Session::content_refusal(bool bare_line_ends) const {
    const auto& intake = *transaction_->intake;
    if (intake.too_large()) return ServerReply{552, "5.3.4", "Message size exceeds the limit"}; // SS-023
    if (intake.failure()) {
        if (intake.failure()->code == Errc::full) return ServerReply{452, "4.3.1", "Insufficient system storage"};
        return ServerReply{451, "4.3.0", "Cannot store the message, try later"}; // SS-024
    }
    if (bare_line_ends && door_.settings.bare_newline == config::BareNewline::reject)
        return ServerReply{550, "5.6.11", "Bare CR or LF in message"}; // SS-041
    if (intake.scan().facts().received_count > limits::received_headers)
        return ServerReply{554, "5.4.6", "Too many hops"}; // SS-051
    return std::nullopt;
}

// After the last octet: looked at, put together, stored; one reply for all recipients (SS-052).
net::Task<void> Session::accept_message(bool bare_line_ends) {
    auto& t = *transaction_;
    state_ = State::greeted;
    t.intake->finish();
    if (auto no = content_refusal(bare_line_ends)) {
        refuse("data", *no);
        co_await drop_transaction();
        co_return;
    }
    t.envelope.content = t.intake->scan().facts();
    auto received = message::received_field(t.envelope, t.recipients, t.access->settings->hostname);
    auto sealed = co_await t.intake->seal(std::move(received));
    if (sealed) {
        sealed->facts.bare_line_ends = bare_line_ends;
        sealed->facts.binary = t.envelope.body == message::Body::binary_mime;
        co_await store_message(sealed->facts, std::move(sealed->content));
    } else {
        auto no = content_refusal(false);
        refuse("data", no.value_or(ServerReply{451, "4.3.0", "Cannot store the message, try later"}));
    }
    co_await drop_transaction();
}

net::Task<void> Session::store_message(message::ContentFacts facts, std::string content) {
    auto& t = *transaction_;
    t.envelope.content = facts;
    for (auto& r : t.recipients) r.next_attempt = t.envelope.received_at;
    boost::json::array to;
    for (const auto& r : t.recipients) to.emplace_back(r.address);
    boost::json::object fields{{"id", t.envelope.id},
                               {"session", name_},
                               {"sender", t.envelope.reverse_path},
                               {"recipients", std::move(to)},
                               {"size", facts.size},
                               {"client", client_text()},
                               {"auth", t.envelope.client.user},
                               {"tls", tls_text_}};
    auto id = t.envelope.id;
    auto count = t.recipients.size();
    store::NewMessage message{{std::move(t.envelope), std::move(t.recipients)}, std::move(content), {}};
    auto handed_over = core_.storing.emplace(std::chrono::steady_clock::now(), 0);
    auto jobs = co_await core_.hooks.queue.add(std::move(message), store::Claiming::now);
    core_.storing.erase(handed_over);
    if (!jobs) {
        bool full = jobs.error().code == Errc::full;
        log(log::Level::error, "store-failed", {{"id", id}, {"text", jobs.error().detail}});
        refuse("data", {full ? 452 : 451, full ? "4.3.1" : "4.3.0", "Cannot store the message, try later"});
        co_return;
    }
    t.intake.reset(); // the pieces belong to the queue now
    ++core_.counters.messages;
    core_.counters.recipients += count;
    core_.counters.octets += facts.size;
    wrong_ = 0;
    punished_ = failed_auth_;
    core_.hooks.log.event(log::Level::info, "accepted", std::move(fields));
    if (core_.hooks.accepted) core_.hooks.accepted(std::move(*jobs));
    say({250, "2.0.0", "Ok: queued as " + id});
}

net::Task<void> Session::drop_transaction() {
    if (!transaction_) co_return;
    if (transaction_->intake) co_await transaction_->intake->discard();
    forget_transaction();
}

} // namespace danelaw::relay
