// MAIL and RCPT: the path, then the parameters, each known and given once. RFC 5321 4.1.1.2-3, 4.1.1.11.
#include "danelaw/smtp/command_in.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/smtp/xtext.hpp"

#include <algorithm>
#include <array>

namespace danelaw::smtp {
namespace {

using Fault = std::optional<ServerReply>; // nullopt: fine

std::unexpected<ServerReply> refuse(int code, std::string enhanced, std::string text) {
    return std::unexpected(ServerReply{code, std::move(enhanced), std::move(text)});
}
ServerReply bad_value(std::string_view key) {
    return {501, "5.5.4", "Bad value of " + std::string(key)};
}

struct Parameter {
    std::string key; // upper case
    std::string_view value;
    bool has_value = false;
};

// `text`: "KEY=VALUE KEY …" (RFC 5321 4.1.1.11). Keys without case, each once (SS-006).
Parsed<std::vector<Parameter>> split_parameters(std::string_view text) {
    std::vector<Parameter> found;
    for (text = trim(text); !text.empty(); text = trim(text)) {
        auto end = std::min(text.find_first_of(" \t"), text.size());
        auto item = text.substr(0, end);
        text.remove_prefix(end);
        auto equals = item.find('=');
        Parameter p{upper(item.substr(0, equals)), {}, equals != std::string_view::npos};
        if (p.has_value) p.value = item.substr(equals + 1);
        if (p.key.empty() || (p.has_value && p.value.empty())) return refuse(501, "5.5.4", "Bad parameter syntax");
        if (std::ranges::any_of(found, [&p](const Parameter& f) { return f.key == p.key; }))
            return refuse(501, "5.5.4", "Parameter given twice");
        found.push_back(std::move(p));
    }
    return found;
}

bool has_control(std::string_view s) {
    return std::ranges::any_of(s, [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
}

Fault set_size(const Parameter& p, MailCommand& into) {
    into.size = parse_number(p.value);
    if (!into.size || p.value.size() > 20) return bad_value(p.key); // RFC 1870 6
    return {};
}

Fault set_body(const Parameter& p, MailCommand& into) {
    if (iequals(p.value, "7BIT"))
        into.body = Body::seven_bit;
    else if (iequals(p.value, "8BITMIME"))
        into.body = Body::eight_bit_mime;
    else if (iequals(p.value, "BINARYMIME"))
        into.body = Body::binary_mime;
    else
        return bad_value(p.key);
    return {};
}

Fault set_ret(const Parameter& p, MailCommand& into) {
    if (iequals(p.value, "FULL"))
        into.ret = Ret::full;
    else if (iequals(p.value, "HDRS"))
        into.ret = Ret::headers;
    else
        return bad_value(p.key);
    into.ret_as_received = p.value;
    return {};
}

Fault set_envid(const Parameter& p, MailCommand& into) {
    auto decoded = from_xtext(p.value);
    // RFC 3461 4.4: printable when decoded; CR or LF would break the report that shows it (H163).
    if (!decoded || p.value.size() > limits::envid || has_control(*decoded)) return bad_value(p.key);
    into.envid = std::string(p.value);
    return {};
}

Fault set_auth(const Parameter& p, MailCommand& into) {
    auto decoded = from_xtext(p.value); // RFC 4954 5
    if (!decoded || has_control(*decoded)) return bad_value(p.key);
    into.auth = std::move(*decoded);
    return {};
}

Fault set_smtputf8(const Parameter& p, MailCommand& into) {
    if (p.has_value) return bad_value(p.key); // RFC 6531 3.4
    into.smtputf8 = true;
    return {};
}

Fault set_requiretls(const Parameter& p, MailCommand& into) {
    if (p.has_value) return bad_value(p.key); // RFC 8689 2
    into.requiretls = true;
    return {};
}

struct MailKey {
    std::string_view key;
    Fault (*set)(const Parameter&, MailCommand&);
};
constexpr std::array mail_keys{
    MailKey{"SIZE", set_size},
    MailKey{"BODY", set_body},
    MailKey{"RET", set_ret},
    MailKey{"ENVID", set_envid},
    MailKey{"AUTH", set_auth},
    MailKey{"SMTPUTF8", set_smtputf8},
    MailKey{"REQUIRETLS", set_requiretls},
};

Fault set_mail_parameter(const Parameter& p, MailCommand& into) {
    for (const auto& k : mail_keys)
        if (k.key == p.key) return k.set(p, into);
    return ServerReply{555, "5.5.4", "Parameter not recognised: " + printable(p.key, 40)};
}

// RFC 3461 4.1: NEVER alone, or a list of the others.
Fault set_notify(const Parameter& p, RcptCommand& into) {
    for (const auto& item : split(p.value, ',')) {
        bool Notify::* flag = iequals(item, "NEVER")     ? &Notify::never
                              : iequals(item, "SUCCESS") ? &Notify::success
                              : iequals(item, "FAILURE") ? &Notify::failure
                              : iequals(item, "DELAY")   ? &Notify::delay
                                                         : nullptr;
        if (flag == nullptr || into.notify.*flag) return bad_value(p.key);
        into.notify.*flag = true;
    }
    bool others = into.notify.success || into.notify.failure || into.notify.delay;
    if (into.notify.never && others) return bad_value(p.key);
    into.notify.as_received = p.value;
    return {};
}

// RFC 3461 4.2 `type;xtext`; RFC 6533 3: raw UTF-8 under `utf-8;` in a transaction with SMTPUTF8.
Fault set_orcpt(const Parameter& p, RcptCommand& into, Utf8 utf8) {
    auto semicolon = p.value.find(';');
    if (semicolon == std::string_view::npos || semicolon == 0 || p.value.size() > limits::orcpt)
        return bad_value(p.key);
    auto type = p.value.substr(0, semicolon), address = p.value.substr(semicolon + 1);
    bool type_ok = std::ranges::all_of(type, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    });
    if (!type_ok || address.empty()) return bad_value(p.key);
    std::string ascii;
    for (char c : address)
        if (static_cast<unsigned char>(c) < 0x80) ascii += c;
    bool raw = ascii.size() != address.size();
    if (raw && (utf8 == Utf8::off || !iequals(type, "utf-8") || !is_utf8(address))) return bad_value(p.key);
    auto decoded = from_xtext(ascii);
    if (!decoded || has_control(*decoded)) return bad_value(p.key); // H163
    into.orcpt = std::string(p.value);
    return {};
}

Fault set_rcpt_parameter(const Parameter& p, RcptCommand& into, Utf8 utf8) {
    if (p.key == "NOTIFY") return set_notify(p, into);
    if (p.key == "ORCPT") return set_orcpt(p, into, utf8);
    return ServerReply{555, "5.5.4", "Parameter not recognised: " + printable(p.key, 40)};
}

} // namespace

Parsed<MailCommand> parse_mail(std::string_view arguments, Syntax syntax, RequireTls requiretls) {
    if (!istarts_with(arguments, "FROM:")) return refuse(501, "5.5.4", "Syntax: MAIL FROM:<address>");
    auto rest = arguments.substr(5);
    if (trim(rest).empty()) return refuse(501, "5.5.4", "Syntax: MAIL FROM:<address>");
    auto path = take_path(rest, syntax);
    if (!path) return refuse(501, "5.1.7", std::string(word(path.error())));
    // A sender to whom nobody could report: only `<>` has no domain.
    if (path->mailbox && path->mailbox->domain.empty()) return refuse(501, "5.1.7", "Sender needs a domain");
    auto parameters = split_parameters(rest);
    if (!parameters) return std::unexpected(parameters.error());
    MailCommand command;
    command.path = std::move(*path);
    for (const auto& p : *parameters) {
        if (p.key == "REQUIRETLS" && requiretls == RequireTls::not_offered)
            return refuse(555, "5.5.4", "REQUIRETLS is not offered");
        if (p.key == "REQUIRETLS" && requiretls == RequireTls::needs_tls)
            return refuse(530, "5.7.10", "REQUIRETLS needs TLS"); // RFC 8689 4.1, SS-078
        if (auto fault = set_mail_parameter(p, command)) return std::unexpected(*fault);
    }
    if (!command.smtputf8 && !is_ascii(command.path.text()))
        return refuse(550, "5.6.7", "Non-ASCII address needs SMTPUTF8"); // RFC 6531 3.5, SS-048
    return command;
}

Parsed<RcptCommand> parse_rcpt(std::string_view arguments, Syntax syntax, Utf8 utf8) {
    if (!istarts_with(arguments, "TO:")) return refuse(501, "5.5.4", "Syntax: RCPT TO:<address>");
    auto rest = arguments.substr(3);
    if (trim(rest).empty()) return refuse(501, "5.5.4", "Syntax: RCPT TO:<address>");
    auto path = take_path(rest, syntax);
    if (!path) return refuse(501, "5.1.3", std::string(word(path.error())));
    if (path->is_null()) return refuse(501, "5.1.3", "Recipient needed"); // `<>` is for MAIL only (SS-006)
    auto parameters = split_parameters(rest);
    if (!parameters) return std::unexpected(parameters.error());
    RcptCommand command{std::move(*path->mailbox), {}, {}};
    for (const auto& p : *parameters)
        if (auto fault = set_rcpt_parameter(p, command, utf8)) return std::unexpected(*fault);
    if (utf8 == Utf8::off && !is_ascii(command.mailbox.text()))
        return refuse(553, "5.6.7", "Non-ASCII address needs SMTPUTF8"); // RFC 6531 3.5, SS-048
    return command;
}

} // namespace danelaw::smtp
