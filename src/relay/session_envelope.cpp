// MAIL and RCPT: who sends to whom, and may they?
#include "session.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/smtp/command_out.hpp"

namespace danelaw::relay {

using smtp::ServerReply;
using smtp::State;
using smtp::Verb;

namespace {

// RFC 3848; RFC 6531 4.3 (SS-049).
std::string protocol(bool esmtp, bool utf8, bool tls, bool auth) {
    if (!esmtp) return "SMTP";
    return std::string(utf8 ? "UTF8SMTP" : "ESMTP") + (tls ? "S" : "") + (auth ? "A" : "");
}

} // namespace

void Session::mail(std::string_view arguments) {
    take_current_access();
    auto syntax = right() == Right::none ? smtp::Syntax::strict : smtp::Syntax::sloppy; // D-18
    auto requiretls = tls_active()           ? smtp::RequireTls::offered
                      : door_.tls != nullptr ? smtp::RequireTls::needs_tls
                                             : smtp::RequireTls::not_offered;
    auto parsed = smtp::parse_mail(arguments, syntax, requiretls);
    if (!parsed) {
        note_reply(Verb::mail, parsed.error());
        return refuse("mail", parsed.error());
    }
    Bytes size = parsed->size.value_or(0);
    if (size > settings().limits.message_size)
        return refuse("mail", {552, "5.3.4", "Message size exceeds the limit"}); // SS-023
    if (auto no = core_.no_room(settings(), size)) return refuse("mail", *no);

    Transaction t;
    t.access = access_;
    t.envelope.reverse_path = parsed->path.text();
    t.envelope.body = parsed->body;
    t.envelope.smtputf8 = parsed->smtputf8;
    t.envelope.requiretls = parsed->requiretls;
    t.envelope.ret = parsed->ret;
    t.envelope.ret_as_received = std::move(parsed->ret_as_received);
    t.envelope.envid = std::move(parsed->envid);
    if (parsed->auth) t.envelope.auth = user_.empty() ? "<>" : *parsed->auth; // SS-084
    t.envelope.client = client_facts();
    t.envelope.client.protocol = protocol(esmtp_, parsed->smtputf8, tls_active(), !user_.empty());
    t.reserved = size;
    core_.reserved += size;
    transaction_ = std::move(t);
    state_ = smtp::after(state_, Verb::mail);
    say({250, "2.1.0", "Ok"});
}

void Session::rcpt(std::string_view arguments) {
    auto syntax = right() == Right::none ? smtp::Syntax::strict : smtp::Syntax::sloppy;
    auto utf8 = transaction_->envelope.smtputf8 ? smtp::Utf8::on : smtp::Utf8::off;
    auto parsed = smtp::parse_rcpt(arguments, syntax, utf8);
    auto no = parsed ? std::optional<ServerReply>() : std::optional(parsed.error());
    std::string text = parsed ? parsed->mailbox.text() : std::string();
    if (no) note_reply(Verb::rcpt, *no);
    if (!no) no = add_recipient(std::move(*parsed));
    if (no) {
        if (state_ == State::mail) state_ = State::refused;
        return refuse("rcpt", std::move(*no), text);
    }
    state_ = smtp::after(state_, Verb::rcpt);
    say({250, "2.1.5", "Ok"});
}

// Where mail for this mailbox goes if the client may send it there; nullopt: it may not.
std::optional<std::string> Session::relay_address(const smtp::Mailbox& mailbox) const {
    bool ours = mailbox.domain.empty() || iequals(mailbox.domain, settings().hostname);
    if (ours && iequals(mailbox.unquoted_local(), "postmaster")) return settings().postmaster; // SS-010
    if (right() == Right::none) return std::nullopt;                                           // SS-090
    return mailbox.text();
}

std::optional<ServerReply> Session::add_recipient(smtp::RcptCommand command) {
    auto& t = *transaction_;
    auto address = relay_address(command.mailbox);
    if (!address) {
        ++wrong_; // SS-016
        if (auth_could_help()) return ServerReply{530, "5.7.0", "Authentication required"};
        return ServerReply{550, "5.7.1", "Relaying denied"};
    }
    message::Recipient r;
    r.address = std::move(*address);
    r.domain = smtp::lane_of(r.address);
    if (r.domain.empty()) return ServerReply{501, "5.1.3", "Bad recipient address"};
    if (t.recipients.size() >= t.access->settings->limits.recipients_per_message)
        return ServerReply{452, "4.5.3", "Too many recipients"}; // SS-022
    auto mailbox = smtp::parse_mailbox(r.address, smtp::Syntax::sloppy);
    r.orcpt = std::move(command.orcpt);
    r.notify = std::move(command.notify);
    // The same mailbox again is one copy, unless somebody else is to be told of it in another way (DQ-060).
    std::string once = (mailbox ? mailbox->unquoted_local() : r.address) + '@' + r.domain;
    for (const bool told : {r.notify.never, r.notify.success, r.notify.failure, r.notify.delay})
        once += told ? '\n' : '-';
    once += r.orcpt;
    if (!t.seen.insert(std::move(once)).second) return std::nullopt;
    r.number = static_cast<std::uint32_t>(t.recipients.size());
    t.recipients.push_back(std::move(r));
    return std::nullopt;
}

// For when nothing of it is in the store; else drop_transaction().
void Session::forget_transaction() {
    if (!transaction_) return;
    core_.reserved -= transaction_->reserved;
    transaction_.reset();
}

} // namespace danelaw::relay
