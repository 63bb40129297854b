// Trace and origin fields: see the header.

#include "danelaw/message/received.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::message {

namespace {

// Text for a comment or a name inside a Received field: no control octets, nothing that opens or closes a comment.
std::string comment_safe(std::string_view s, std::size_t most) {
    std::string out;
    for (const char c : printable(s, most))
        if (c != '(' && c != ')' && c != '\\' && c != '"') out += c;
    return out;
}

// The EHLO name as RFC 5321 4.4 wants it: a domain or a literal; else it goes into the comment.
bool is_plain_name(std::string_view s) {
    if (s.empty() || s.size() > 255) return false;
    constexpr std::string_view allowed = "-._:[]";
    for (const char c : s) {
        const bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && allowed.find(c) == std::string_view::npos && static_cast<unsigned char>(c) < 128) return false;
    }
    return is_utf8(s);
}

std::string address_literal(const IpAddress& a) {
    return a.v6 ? "[IPv6:" + a.text() + "]" : "[" + a.text() + "]";
}

std::string from_clause(const Envelope& envelope, bool utf8) {
    const Client& client = envelope.client;
    const std::string where = client.address ? address_literal(*client.address) : "local";
    if (is_plain_name(client.helo) && (utf8 || is_ascii(client.helo))) return client.helo + " (" + where + ")";
    if (client.helo.empty()) return (client.address ? where : "localhost") + " (" + where + ")";
    return (client.address ? where : "localhost") + " (helo " + comment_safe(client.helo, 200) + " " + where + ")";
}

} // namespace

std::string received_field(const Envelope& envelope, const std::vector<Recipient>& recipients,
                           std::string_view hostname) {
    const Client& client = envelope.client;
    // UTF-8 of ours must not be what makes a message need SMTPUTF8 (SC-077): SMTPUTF8 at MAIL does not say that it
    // does.
    const bool utf8 = envelope.smtputf8 && envelope.content.eight_bit_header;
    std::string out = "Received: from " + from_clause(envelope, utf8) + "\r\n";
    if (!client.tls.empty()) out += "\t(using " + comment_safe(client.tls, 200) + ")\r\n";
    if (!client.user.empty()) out += "\t(authenticated as " + comment_safe(client.user, 100) + ")\r\n";
    out += "\tby " + std::string(hostname) + " (Danelaw) with " +
           (client.protocol.empty() ? std::string("ESMTP") : client.protocol) + " id " + envelope.id;
    // One recipient only: several would tell each about the others (RFC 5321 7.6).
    if (recipients.size() == 1 && recipients[0].address.size() < 500 && (utf8 || is_ascii(recipients[0].address)))
        out += "\r\n\tfor <" + recipients[0].address + ">";
    out += ";\r\n\t" + rfc5322_date(envelope.received_at) + "\r\n";
    return out;
}

std::string message_id(std::string_view id, std::string_view hostname) {
    return "<" + lower(id) + "@" + std::string(hostname) + ">";
}

std::string missing_fields(const HeaderScan& scan, Time now, std::string_view id, std::string_view hostname) {
    if (scan.facts().received_count > 0) return {};
    std::string out;
    if (!scan.has_date()) out += "Date: " + rfc5322_date(now) + "\r\n";
    if (!scan.has_message_id()) out += "Message-ID: " + message_id(id, hostname) + "\r\n";
    return out;
}

} // namespace danelaw::message
