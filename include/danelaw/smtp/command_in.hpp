// What does the client ask for? A command line into a value, or the reply that refuses it.
// Pure. Called by relay's session. RFC 5321 4.1.1, 3461 4, 1870, 6152, 3030, 6531, 8689, 4954. SS-002…SS-010, SS-045,
// SS-084, SS-097.
#pragma once

#include "danelaw/smtp/address.hpp"
#include "danelaw/smtp/parameters.hpp"
#include "danelaw/smtp/server_reply.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace danelaw::smtp {

enum class Verb {
    ehlo,
    helo,
    mail,
    rcpt,
    data,
    bdat,
    rset,
    noop,
    vrfy,
    expn,
    help,
    quit,
    starttls,
    auth,
    unknown,
    malformed
};
std::string_view word(Verb verb); // "MAIL"; "?" for the last two

template <class T> using Parsed = std::expected<T, ServerReply>;

struct Command {
    Verb verb = Verb::unknown;
    std::string_view arguments; // a view of the line, blanks at both ends dropped
};
// `line` without its CRLF. A control octet anywhere, a bare LF above all, makes it malformed (SS-042, SS-094).
Command parse_command(std::string_view line);

// Of EHLO and HELO: any sane name or literal (SS-004).
Parsed<std::string> parse_helo_name(std::string_view arguments);

struct MailCommand {
    Path path;
    std::optional<std::uint64_t> size;
    Body body = Body::seven_bit;
    bool smtputf8 = false;
    bool requiretls = false;
    Ret ret = Ret::unset;
    std::string ret_as_received;
    std::string envid;               // xtext as received
    std::optional<std::string> auth; // decoded; "<>" as given
};
enum class RequireTls { offered, needs_tls, not_offered };
Parsed<MailCommand> parse_mail(std::string_view arguments, Syntax syntax, RequireTls requiretls);

struct RcptCommand {
    Mailbox mailbox;
    Notify notify;
    std::string orcpt; // as received
};
enum class Utf8 { off, on }; // SMTPUTF8 was given at MAIL
Parsed<RcptCommand> parse_rcpt(std::string_view arguments, Syntax syntax, Utf8 utf8);

struct BdatCommand {
    std::uint64_t size = 0;
    bool last = false;
};
// An error leaves unknown what follows on the wire: the connection cannot go on in step (SS-045).
Parsed<BdatCommand> parse_bdat(std::string_view arguments);

struct AuthCommand {
    std::string mechanism;              // upper case
    std::optional<std::string> initial; // base64 as given; "=" stands for empty (RFC 4954 4)
};
Parsed<AuthCommand> parse_auth(std::string_view arguments);

// A base64 answer of AUTH, decoded; 501 5.5.2 when it is not base64.
Parsed<std::string> parse_auth_octets(std::string_view line);
struct PlainCredentials {
    std::string user, password;
};
// RFC 4616: authzid NUL authcid NUL passwd; authzid empty or equal to authcid (SS-083).
Parsed<PlainCredentials> parse_plain(std::string_view octets);

} // namespace danelaw::smtp
