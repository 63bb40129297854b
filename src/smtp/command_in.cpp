#include "danelaw/smtp/command_in.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <algorithm>
#include <array>

namespace danelaw::smtp {
namespace {

struct Name {
    Verb verb;
    std::string_view name;
};
constexpr std::array names{
    Name{Verb::ehlo, "EHLO"},         Name{Verb::helo, "HELO"}, Name{Verb::mail, "MAIL"}, Name{Verb::rcpt, "RCPT"},
    Name{Verb::data, "DATA"},         Name{Verb::bdat, "BDAT"}, Name{Verb::rset, "RSET"}, Name{Verb::noop, "NOOP"},
    Name{Verb::vrfy, "VRFY"},         Name{Verb::expn, "EXPN"}, Name{Verb::help, "HELP"}, Name{Verb::quit, "QUIT"},
    Name{Verb::starttls, "STARTTLS"}, Name{Verb::auth, "AUTH"},
};

bool control(char c) {
    return (static_cast<unsigned char>(c) < 32 && c != '\t') || c == 127;
}

std::unexpected<ServerReply> refuse(int code, std::string enhanced, std::string text) {
    return std::unexpected(ServerReply{code, std::move(enhanced), std::move(text)});
}

std::string_view take_word(std::string_view& rest) {
    rest = trim(rest);
    auto end = std::min(rest.find_first_of(" \t"), rest.size());
    auto found = rest.substr(0, end);
    rest.remove_prefix(end);
    return found;
}

} // namespace

std::string_view word(Verb verb) {
    for (const auto& n : names)
        if (n.verb == verb) return n.name;
    return "?";
}

Command parse_command(std::string_view line) {
    if (std::ranges::any_of(line, control)) return {Verb::malformed, {}};
    auto rest = line;
    auto end = std::min(rest.find_first_of(" \t"), rest.size());
    auto verb = rest.substr(0, end);
    auto arguments = trim(rest.substr(end));
    for (const auto& n : names)
        if (iequals(verb, n.name)) return {n.verb, arguments};
    return {Verb::unknown, arguments};
}

Parsed<std::string> parse_helo_name(std::string_view arguments) {
    if (arguments.empty()) return refuse(501, "", "A name is needed"); // no enhanced code to EHLO/HELO (SS-015)
    if (arguments.size() > limits::domain || arguments.find_first_of(" \t") != std::string_view::npos)
        return refuse(501, "", "Bad name");
    return std::string(arguments);
}

Parsed<BdatCommand> parse_bdat(std::string_view arguments) {
    auto size = parse_number(take_word(arguments));
    auto mark = take_word(arguments);
    bool odd_end = !mark.empty() && !iequals(mark, "LAST");
    if (!size || *size > (std::uint64_t{1} << 63) - 1 || odd_end || !trim(arguments).empty())
        return refuse(501, "5.5.4", "Syntax: BDAT octets [LAST]");
    return BdatCommand{*size, !mark.empty()};
}

Parsed<AuthCommand> parse_auth(std::string_view arguments) {
    AuthCommand command;
    command.mechanism = upper(take_word(arguments));
    auto initial = take_word(arguments);
    if (command.mechanism.empty() || !trim(arguments).empty())
        return refuse(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]");
    if (!initial.empty()) command.initial = std::string(initial);
    return command;
}

Parsed<std::string> parse_auth_octets(std::string_view line) {
    auto octets = unbase64(line);
    if (!octets) return refuse(501, "5.5.2", "Not base64"); // the line itself is never shown (SS-085)
    return std::move(*octets);
}

Parsed<PlainCredentials> parse_plain(std::string_view octets) {
    auto parts = split(octets, '\0');
    if (parts.size() != 3 || parts[1].empty()) return refuse(501, "5.5.2", "Malformed PLAIN response");
    if (!parts[0].empty() && parts[0] != parts[1]) return refuse(535, "5.7.8", "Acting for others is not permitted");
    return PlainCredentials{std::move(parts[1]), std::move(parts[2])};
}

} // namespace danelaw::smtp
