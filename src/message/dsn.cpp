// The whole notice: header, text for people, status part, returned message (DQ-040…DQ-056).

#include "dsn_priv.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/message/mime.hpp"
#include "danelaw/message/received.hpp"
#include "danelaw/message/transfer_encoding.hpp"
#include "danelaw/smtp/address.hpp"

#include <algorithm>
#include <map>

namespace danelaw::message {

namespace {

constexpr std::size_t text_width = 74; // quoted-printable then adds no breaks of its own to plain lines

// Words of `text` in lines of text_width, each line indented; words that are too long stand alone.
std::string wrapped(std::string_view text, std::string_view indent) {
    std::string out, line;
    const auto end_line = [&] {
        if (!line.empty()) out += std::string(indent) + line + "\r\n";
        line.clear();
    };
    for (const auto& word : split(text, ' ')) {
        for (std::string_view rest = word; !rest.empty();) {
            const auto piece = rest.substr(0, most_word);
            rest.remove_prefix(piece.size());
            if (!line.empty() && indent.size() + line.size() + 1 + piece.size() > text_width) end_line();
            if (!line.empty()) line += ' ';
            line += piece;
        }
    }
    end_line();
    return out;
}

std::string introduction(const NoticeFacts& facts) {
    switch (facts.action) {
    case Action::failed:
        return "Your message could not be delivered to the recipients below. It will not be tried again for them.";
    case Action::delayed:
        return "Your message could not be delivered to the recipients below yet. You need not send it again: it is "
               "being "
               "tried until " +
               (facts.will_retry_until ? rfc5322_date(*facts.will_retry_until) : "it expires") + ".";
    case Action::relayed:
        return "Your message was handed over to the mail servers below. They do not promise to tell you about its "
               "delivery, so this is the last notice of it.";
    case Action::delivered: return "Your message was delivered to the recipients below.";
    }
    return {};
}

// What happened to one recipient; recipients with the same text are told together.
std::string story(const NoticeFacts& facts, const Outcome& outcome) {
    constexpr std::string_view indent = "    ";
    std::string out;
    if (facts.action == Action::failed && outcome.verdict == Verdict::expired)
        out += wrapped("It was tried until its time ran out. The last attempt ended so:", indent);
    const std::string text = printable(outcome.text, 800);
    const std::string host = printable(outcome.host, 255);
    if (outcome.code != 0)
        out += wrapped("The server " + (host.empty() ? std::string("there") : host) +
                           " said: " + diagnostic(outcome).substr(std::string_view("smtp; ").size()),
                       indent);
    else if (!host.empty() && !text.empty())
        out += wrapped("Host " + host + ": " + text, indent);
    else if (!text.empty())
        out += wrapped(text, indent);
    const bool bad = facts.action == Action::failed || facts.action == Action::delayed;
    if (bad && !explain(outcome.reason).empty()) out += wrapped(explain(outcome.reason), indent);
    if (bad && !remedy(outcome.reason).empty()) out += wrapped(remedy(outcome.reason), indent);
    return out;
}

std::string text_part(const NoticeFacts& facts, std::string_view first) {
    std::string out = wrapped("This is the mail system at " + facts.hostname + ".", "") + "\r\n" + wrapped(first, "");
    std::vector<std::pair<std::string, std::vector<std::string>>> groups; // story, addresses; in order
    for (const auto& r : facts.recipients) {
        std::string told = story(facts, r.outcome);
        auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == told; });
        if (same == groups.end()) same = groups.insert(groups.end(), {told, {}});
        same->second.push_back("<" + printable(r.recipient.address, 1100) + ">");
    }
    for (const auto& [told, addresses] : groups) {
        out += "\r\n";
        for (const auto& a : addresses) out += wrapped(a, "");
        out += told;
    }
    out += "\r\n" + wrapped("The message was received here on " + rfc5322_date(facts.original.received_at) +
                                " and has the queue id " + facts.original.id + ".",
                            "");
    if (facts.returned_unavailable)
        out += wrapped("It could not be read from storage, so it is not attached.", "");
    else
        out += wrapped(facts.portion == Portion::full
                           ? "It is attached (its header alone, where your system takes no more)."
                           : "Its header is attached.",
                       "");
    return out;
}

// A body part; `seven` says how octets over 127 travel.
enum class Encode { as_it_is, quoted_printable, base64 };
std::string part(std::string type, std::string_view body, Encode how) {
    std::string out = "Content-Type: " + std::move(type) + "\r\n";
    if (is_ascii(body)) return out + "\r\n" + std::string(body);
    switch (how) {
    case Encode::as_it_is: return out + "Content-Transfer-Encoding: 8bit\r\n\r\n" + std::string(body);
    case Encode::quoted_printable:
        return out + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted_printable(body);
    case Encode::base64: return out + "Content-Transfer-Encoding: base64\r\n\r\n" + base64_lines(body);
    }
    return out;
}

std::string_view subject(Action action) {
    switch (action) {
    case Action::failed: return "Undelivered mail returned to sender";
    case Action::delayed: return "Delayed mail (still being tried)";
    case Action::relayed: return "Mail relayed to a server without delivery notices";
    case Action::delivered: return "Mail delivered";
    }
    return "";
}

// RFC 2046 5.1.1: it must not occur in what it separates (DQ-055).
std::string boundary_for(const std::string& id, const std::vector<std::string>& parts) {
    for (int n = 0;; ++n) {
        const std::string candidate = "=_" + id + "_" + std::to_string(n);
        const bool occurs = std::any_of(parts.begin(), parts.end(),
                                        [&](const auto& p) { return p.find(candidate) != std::string::npos; });
        if (!occurs) return candidate;
    }
}

std::string returned_part(const NoticeFacts& facts, Encode global_encoding) {
    const bool utf8 = facts.original.smtputf8 && facts.original.content.eight_bit_header && is_utf8(facts.returned);
    if (facts.portion == Portion::full) {
        if (!utf8) return part("message/rfc822", facts.returned, Encode::as_it_is); // DQ-053: not re-encoded
        return part("message/global", facts.returned,
                    global_encoding == Encode::as_it_is ? Encode::as_it_is : Encode::base64);
    }
    return utf8 ? part("message/global-headers", facts.returned, global_encoding)
                : part("text/rfc822-headers", facts.returned, Encode::as_it_is);
}

Notice assemble(const NoticeFacts& facts, std::string_view to, std::string_view subject_text, std::string_view first) {
    Notice notice;
    // The notice itself needs SMTPUTF8 only for the sender's own address; else its UTF-8 parts are encoded, so that any
    // way back will do (DQ-054, RFC 6533 4).
    notice.smtputf8 = smtp::needs_smtputf8(to);
    const Encode encode = notice.smtputf8 ? Encode::as_it_is : Encode::quoted_printable;
    std::vector<std::string> parts;
    const std::string text = text_part(facts, first);
    parts.push_back(part(std::string("text/plain; charset=") + (is_ascii(text) ? "us-ascii" : "utf-8"), text, encode));
    const std::string global = status_part(facts, Form::global);
    if (facts.original.smtputf8 && !is_ascii(global))
        parts.push_back(part("message/global-delivery-status", global, encode));
    else
        parts.push_back(part("message/delivery-status", status_part(facts, Form::classic), encode));
    if (!facts.returned_unavailable) parts.push_back(returned_part(facts, encode));

    const std::string boundary = boundary_for(facts.id, parts);
    std::string& out = notice.content;
    out = "From: Mail Delivery System <mailer-daemon@" + facts.hostname + ">\r\n";
    out += "To: <" + printable(to, 1100) + ">\r\n";
    out += "Subject: " + std::string(subject_text) + "\r\n";
    out += "Date: " + rfc5322_date(facts.now) + "\r\n";
    out += "Message-ID: " + message_id(facts.id, facts.hostname) + "\r\n";
    out += "MIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\n"; // RFC 3834 3.1.7
    if (facts.original.content.tls_required_no && !facts.original.requiretls) out += "TLS-Required: No\r\n"; // DQ-031
    out += "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"" + boundary + "\"\r\n";
    if (std::any_of(parts.begin(), parts.end(), [](const auto& p) { return !is_ascii(p); }))
        out += "Content-Transfer-Encoding: 8bit\r\n";
    out += "\r\nThis is a MIME-encapsulated message.\r\n";
    for (const auto& p : parts) out += "\r\n--" + boundary + "\r\n" + p;
    out += "\r\n--" + boundary + "--\r\n";
    return notice;
}

} // namespace

Notice compose(const NoticeFacts& facts) {
    return assemble(facts, facts.original.reverse_path, subject(facts.action), introduction(facts));
}

Notice compose_for_postmaster(const NoticeFacts& facts, std::string_view postmaster) {
    return assemble(facts, postmaster, "Undeliverable notice",
                    "A message without a sender, such as a delivery notice, could not be delivered to the recipients "
                    "below. Nobody else is told (RFC 5321 4.5.5). It will not be tried again.");
}

std::string header_section(std::string_view content, std::size_t most) {
    std::size_t kept = 0;
    for (std::size_t at = 0; at < content.size();) {
        const auto lf = content.find('\n', at);
        const bool continued = content[at] == ' ' || content[at] == '\t';
        if (!continued) kept = at;               // fields before this line are whole
        if (lf == std::string_view::npos) break; // the reader cut this line
        const auto line = content.substr(at, lf + 1 - at);
        if (line == "\r\n" || line == "\n" || (!continued && field_name(line).empty())) break;
        at = lf + 1;
        if (at > most) break;
        if (at == content.size()) kept = at;
    }
    return std::string(content.substr(0, kept));
}

} // namespace danelaw::message
