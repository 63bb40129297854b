#include "danelaw/smtp/session_rules.hpp"

#include <algorithm>
#include <array>

namespace danelaw::smtp {
namespace {

struct Rule {
    State in;
    Verb command;
    State next;
};
// What changes the state, where it may. MAIL, RCPT, DATA, BDAT anywhere else are 503 (SS-011).
constexpr std::array rules{
    Rule{State::greeted, Verb::mail, State::mail}, // RFC 5321 4.1.4
    Rule{State::mail, Verb::rcpt, State::rcpt},    //
    Rule{State::refused, Verb::rcpt, State::rcpt}, //
    Rule{State::rcpt, Verb::rcpt, State::rcpt},    //
    Rule{State::rcpt, Verb::data, State::greeted}, //
    Rule{State::rcpt, Verb::bdat, State::bdat},    // RFC 3030 2; the session goes on to greeted at LAST
    Rule{State::bdat, Verb::bdat, State::bdat},    //
};

const Rule* rule(State state, Verb verb) {
    auto found = std::ranges::find_if(rules, [&](const Rule& r) { return r.in == state && r.command == verb; });
    return found == rules.end() ? nullptr : &*found;
}

bool in_transaction(State s) {
    return s != State::connected && s != State::greeted;
}

ServerReply bad_sequence(std::string text) {
    return {503, "5.5.1", std::move(text)};
}

std::optional<ServerReply> no_argument(const Command& c) {
    if (c.arguments.empty()) return std::nullopt;
    return ServerReply{501, "5.5.4", std::string(word(c.verb)) + " takes no argument"}; // SS-012, SS-070
}

std::optional<ServerReply> starttls_refusal(const SessionFacts& f) {
    if (f.tls == Tls::active) return bad_sequence("TLS is active already");
    if (f.tls == Tls::absent) return ServerReply{502, "5.5.1", "STARTTLS is not offered"};
    if (!f.certificate_ready) return ServerReply{454, "4.7.0", "TLS is not available now"};
    return std::nullopt;
}

std::optional<ServerReply> auth_refusal(const SessionFacts& f) {
    if (f.auth == Auth::absent) return ServerReply{502, "5.5.1", "AUTH is not offered"};
    if (!f.esmtp) return bad_sequence("Send EHLO first");
    if (f.auth == Auth::done) return bad_sequence("Already authenticated");
    if (in_transaction(f.state)) return bad_sequence("Not during a transaction");
    if (f.auth_needs_tls && f.tls != Tls::active)
        return ServerReply{538, "5.7.11", "Encryption required for AUTH"}; // SS-080
    return std::nullopt;
}

std::optional<ServerReply> transaction_refusal(const SessionFacts& f, Verb verb) {
    if (rule(f.state, verb) != nullptr) {
        if (verb == Verb::mail && f.auth == Auth::demanded) return ServerReply{530, "5.7.0", "Authentication required"};
        if (verb == Verb::data && f.body == Body::binary_mime) return bad_sequence("BINARYMIME needs BDAT"); // SS-046
        return std::nullopt;
    }
    switch (f.state) {
    case State::connected: return bad_sequence("Send EHLO or HELO first");
    case State::greeted: return bad_sequence("Send MAIL first");
    case State::mail: return bad_sequence(verb == Verb::mail ? "Sender given already" : "Send RCPT first");
    case State::refused:
        if (verb == Verb::data) return ServerReply{554, "5.5.1", "No valid recipients"}; // SS-061
        return bad_sequence(verb == Verb::mail ? "Sender given already" : "No valid recipients");
    case State::rcpt: return bad_sequence("Sender given already");
    case State::bdat: return bad_sequence("BDAT has begun");
    case State::bdat_failed: return bad_sequence("Send RSET first");
    }
    return std::nullopt;
}

bool free_of_tls(Verb v) {
    return v == Verb::noop || v == Verb::ehlo || v == Verb::starttls || v == Verb::quit;
}

} // namespace

std::string_view word(State state) {
    switch (state) {
    case State::connected: return "connected";
    case State::greeted: return "greeted";
    case State::mail: return "mail";
    case State::refused: return "refused";
    case State::rcpt: return "rcpt";
    case State::bdat: return "bdat";
    case State::bdat_failed: return "bdat-failed";
    }
    return {};
}

std::optional<ServerReply> refusal(const SessionFacts& f, const Command& c) {
    if (c.verb == Verb::unknown) return ServerReply{500, "5.5.2", "Command not recognised"};     // SS-002
    if (c.verb == Verb::malformed) return ServerReply{500, "5.5.2", "Control octet in command"}; // SS-042
    if (f.tls == Tls::demanded && !free_of_tls(c.verb))
        return ServerReply{530, "5.7.0", "Must issue STARTTLS first"}; // SS-073
    switch (c.verb) {
    case Verb::ehlo:
    case Verb::helo:
    case Verb::noop:
    case Verb::help: return std::nullopt;
    case Verb::expn: return ServerReply{502, "5.5.1", "EXPN is not offered"}; // SS-013
    case Verb::vrfy:
        if (c.arguments.empty()) return ServerReply{501, "5.5.4", "Syntax: VRFY address"};
        return std::nullopt;
    case Verb::rset:
    case Verb::quit: return no_argument(c);
    case Verb::data:
        if (auto fault = no_argument(c)) return fault;
        return transaction_refusal(f, c.verb);
    case Verb::mail:
    case Verb::rcpt:
    case Verb::bdat: return transaction_refusal(f, c.verb);
    case Verb::starttls:
        if (auto fault = no_argument(c)) return fault;
        return starttls_refusal(f);
    case Verb::auth: return auth_refusal(f);
    case Verb::unknown:
    case Verb::malformed: break;
    }
    return std::nullopt;
}

State after(State state, Verb verb) {
    if (verb == Verb::starttls) return State::connected;                 // RFC 3207 4.2, SS-072
    if (verb == Verb::ehlo || verb == Verb::helo) return State::greeted; // RFC 5321 4.1.4, SS-003
    if (verb == Verb::rset) return state == State::connected ? state : State::greeted;
    const Rule* r = rule(state, verb);
    return r == nullptr ? state : r->next;
}

} // namespace danelaw::smtp
