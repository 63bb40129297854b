// May this command be run now, and where does it lead? The server's dialogue as a table.
// Pure. Called by relay's session for every command. RFC 5321 4.1.4, 3207 4, 4954 4, 3030 2. SS-002, SS-003, SS-011,
// SS-044, SS-070…SS-073, SS-080…SS-082.
#pragma once

#include "danelaw/smtp/command_in.hpp"

#include <optional>
#include <string_view>

namespace danelaw::smtp {

enum class State {
    connected,   // no EHLO or HELO yet, or forgotten after STARTTLS
    greeted,     // no transaction
    mail,        // MAIL was accepted
    refused,     // RCPT was tried, none accepted
    rcpt,        // a recipient was accepted
    bdat,        // a chunk was accepted, LAST not seen
    bdat_failed, // a chunk was refused: RSET is needed (RFC 3030 2)
};
std::string_view word(State state);

enum class Tls { absent, offered, demanded, active }; // active: this session is in TLS
enum class Auth { absent, offered, demanded, done };
struct SessionFacts {
    State state = State::connected;
    Tls tls = Tls::absent;
    bool certificate_ready = true; // else STARTTLS is answered 454 (SS-070)
    Auth auth = Auth::absent;
    bool auth_needs_tls = true;  // false on a unix socket where that is set (SS-080)
    bool esmtp = false;          // greeted with EHLO
    Body body = Body::seven_bit; // of the open transaction
};

// nullopt: run it. Else the reply that refuses it; the state stays as it was.
// Order: known at all → TLS demanded (RFC 3207 4 names all verbs but four) → state → authentication demanded.
std::optional<ServerReply> refusal(const SessionFacts& facts, const Command& command);

// Where a command that was accepted leads.
State after(State state, Verb verb);

} // namespace danelaw::smtp
