// EHLO and HELO, and what is true of this client now: the facts that decisions are made from.
#include "session.hpp"

#include <algorithm>

namespace danelaw::relay {

// SS-005: what is listed is what is really on, in this state.
bool Session::ehlo(std::string_view name) {
    auto parsed = smtp::parse_helo_name(name);
    if (!parsed) {
        note_reply(smtp::Verb::ehlo, parsed.error());
        refuse("ehlo", parsed.error()); // the state stays (SS-003)
        return false;
    }
    if (io_.buffered() > 0 && !early_talker("ehlo")) return false;
    helo_ = *parsed;
    esmtp_ = true;
    state_ = smtp::after(state_, smtp::Verb::ehlo);
    auto now = facts();
    std::string text = settings().hostname + "\nPIPELINING\nSIZE " + std::to_string(settings().limits.message_size);
    text += "\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES\nCHUNKING\nBINARYMIME";
    text += "\nLIMITS RCPTMAX=" + std::to_string(settings().limits.recipients_per_message);
    bool starttls = now.tls == smtp::Tls::offered || now.tls == smtp::Tls::demanded;
    if (starttls && now.certificate_ready) text += "\nSTARTTLS";
    if (now.tls == smtp::Tls::active) text += "\nREQUIRETLS"; // RFC 8689 2, SS-078
    bool auth = now.auth == smtp::Auth::offered || now.auth == smtp::Auth::demanded;
    if (auth && (tls_active() || !now.auth_needs_tls)) text += "\nAUTH PLAIN LOGIN"; // SS-080
    say({250, "", std::move(text)});
    return true;
}

bool Session::helo(std::string_view name) {
    auto parsed = smtp::parse_helo_name(name);
    if (!parsed) {
        note_reply(smtp::Verb::helo, parsed.error());
        refuse("helo", parsed.error());
        return false;
    }
    helo_ = *parsed;
    esmtp_ = false;
    state_ = smtp::after(state_, smtp::Verb::helo);
    say({250, "", settings().hostname});
    return true;
}

// SS-062: octets sent before they may be. Tolerated from those who may relay. True: go on.
bool Session::early_talker(std::string_view stage) {
    bool tolerated = right() != Right::none;
    log(log::Level::info, "early-talker", {{"stage", stage}, {"client", client_text()}, {"tolerated", tolerated}});
    if (tolerated) return true;
    refuse(stage, {421, "4.7.0", settings().hostname + " Improper use of pipelining"});
    open_ = false;
    return false;
}

smtp::SessionFacts Session::facts() const {
    smtp::SessionFacts facts;
    facts.state = state_;
    facts.esmtp = esmtp_;
    facts.certificate_ready = door_.tls != nullptr;
    switch (door_.settings.tls) {
    case config::ListenerTls::off: facts.tls = smtp::Tls::absent; break;
    case config::ListenerTls::starttls: facts.tls = smtp::Tls::offered; break;
    case config::ListenerTls::required: facts.tls = smtp::Tls::demanded; break;
    case config::ListenerTls::implicit: facts.tls = smtp::Tls::active; break;
    }
    if (tls_active()) facts.tls = smtp::Tls::active;
    switch (door_.settings.auth) {
    case config::AuthMode::off: facts.auth = smtp::Auth::absent; break;
    case config::AuthMode::optional: facts.auth = smtp::Auth::offered; break;
    case config::AuthMode::required: facts.auth = smtp::Auth::demanded; break;
    }
    if (!user_.empty()) facts.auth = smtp::Auth::done;
    if (transaction_) facts.body = transaction_->envelope.body;
    return facts;
}

Right Session::right() const {
    ClientFacts client{unix_, address_, !user_.empty(), certificate_.has_value()};
    return right_of(client, settings().relay.allow);
}

bool Session::auth_could_help() const {
    bool tls = tls_active() || door_.tls != nullptr;
    return door_.settings.auth != config::AuthMode::off && user_.empty() && tls;
}

std::string Session::client_text() const {
    return address_ ? address_->text() : "unix";
}

message::Client Session::client_facts() const {
    message::Client client;
    client.address = address_;
    client.helo = helo_;
    client.user = !user_.empty() ? user_ : certificate_.value_or("");
    client.tls = tls_text_;
    return client;
}

// SS-095: settings, users and certificates may have been reloaded. A listener that is gone keeps what it had.
void Session::take_current_access() {
    if (access_ == core_.access) return;
    access_ = core_.access;
    auto found = std::ranges::find_if(access_->doors,
                                      [this](const Door& d) { return d.settings.address == door_.settings.address; });
    if (found != access_->doors.end()) door_ = *found;
}

void Session::log(log::Level level, std::string_view event, boost::json::object fields) {
    fields["session"] = name_;
    core_.hooks.log.event(level, event, std::move(fields));
}

} // namespace danelaw::relay
