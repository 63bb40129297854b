// The machine-readable part of a notice: field groups of RFC 3464 2, RFC 6533 4. Decisions about who and what, too.

#include "dsn_priv.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/smtp/command_out.hpp"
#include "danelaw/smtp/xtext.hpp"

#include <charconv>

namespace danelaw::message {

std::optional<Action> notice_for(Event event, const Notify& notify) { // DQ-020
    if (notify.never) return std::nullopt;
    switch (event) {
    case Event::taken_by_plain_server:
        return notify.success ? std::optional(Action::relayed) : std::nullopt;                        // RFC 3461 5.2.2
    case Event::taken_by_dsn_server: return std::nullopt;                                             // RFC 3461 5.2.1
    case Event::failed: return notify.wants_failure() ? std::optional(Action::failed) : std::nullopt; // RFC 3461 5.2.6
    case Event::late: return notify.wants_delay() ? std::optional(Action::delayed) : std::nullopt;    // RFC 3461 5.2.5
    case Event::delivered_here:
        return notify.success ? std::optional(Action::delivered) : std::nullopt; // RFC 3461 5.2.3
    }
    return std::nullopt;
}

Portion portion_for(const Envelope& original, Action action, Bytes most_full) {
    if (action != Action::failed) return Portion::header; // DQ-052
    if (original.requiretls) return Portion::header;      // RFC 8689 5
    if (original.ret == Ret::headers) return Portion::header;
    if (original.content.binary || original.body == Body::binary_mime) return Portion::header; // DQ-053
    return original.content.size <= most_full ? Portion::full : Portion::header;
}

namespace {

bool is_status(std::string_view s) { // RFC 3463 2
    const auto parts = split(s, '.');
    if (parts.size() != 3 || (parts[0] != "2" && parts[0] != "4" && parts[0] != "5")) return false;
    for (const auto& p : parts)
        if (p.empty() || p.size() > 3 || !parse_number(p)) return false;
    return true;
}

bool is_reply_code(std::string_view text, int code) {
    const std::string digits = std::to_string(code);
    return text.starts_with(digits) && (text.size() == 3 || text[3] == ' ' || text[3] == '-');
}

} // namespace

std::string status_code(const Outcome& outcome, Action action) {
    if (outcome.verdict == Verdict::expired && action == Action::failed) return "4.4.7"; // D-36
    const char cls = action == Action::failed ? '5' : action == Action::delayed ? '4' : '2';
    const std::string given = std::string(trim(outcome.enhanced));
    if (is_status(given)) {
        if (given[0] == cls) return given;
        // A deferred host's code in a failed notice (on_failure: bounce, the operator's bounce): same subject, final
        // class.
        if (cls != '2' && given[0] != '2') return cls + given.substr(1);
    }
    if (cls == '2') return "2.0.0";
    return std::string(1, cls) + "." + std::string(status_detail(outcome.reason));
}

std::string diagnostic(const Outcome& outcome) {
    const std::string text = printable(outcome.text, 800);
    if (outcome.code == 0) {
        std::string out = "X-Danelaw; " + std::string(outcome.reason == Reason::none ? "none" : word(outcome.reason));
        return text.empty() ? out : out + ": " + text;
    }
    if (is_reply_code(text, outcome.code)) return "smtp; " + text;
    std::string out = "smtp; " + std::to_string(outcome.code);
    // A code that we derived (x.0.0) isn't the server's word (SC-030).
    if (!outcome.enhanced.empty() && !outcome.enhanced.ends_with(".0.0") && !text.starts_with(outcome.enhanced))
        out += " " + outcome.enhanced;
    return text.empty() ? out : out + " " + text;
}

std::string ascii_only(std::string_view s) {
    std::string out;
    for (const char c : s)
        if (static_cast<unsigned char>(c) < 128)
            out += c;
        else
            out += "\\x" + hex(std::string_view(&c, 1));
    return out;
}

std::string folded(std::string_view name, std::string_view value) {
    std::string out(name);
    out += ":";
    std::size_t column = out.size();
    while (!value.empty()) {
        const auto blank = value.find(' ');
        auto word = value.substr(0, std::min(blank, most_word));
        value.remove_prefix(word.size());
        if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        if (column + 1 + word.size() > 76 && column > name.size() + 1) {
            out += "\r\n";
            column = 0;
        }
        out += ' ';
        out += word;
        column += 1 + word.size();
    }
    return out + "\r\n";
}

namespace {

// "\x{FC}" → UTF-8 (RFC 6533 3), for the native form of a utf-8 address.
std::string native_utf8(std::string_view s) {
    std::string out;
    while (!s.empty()) {
        if (s.starts_with("\\x{")) {
            const auto end = s.find('}');
            unsigned code = 0;
            const auto digits = s.substr(3, end == std::string_view::npos ? 0 : end - 3);
            const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
            if (!digits.empty() && digits.size() <= 6 && error == std::errc() && at == digits.data() + digits.size() &&
                code >= 0x80 && code < 0x110000) {
                out += utf8_of(code);
                s.remove_prefix(end + 1);
                continue;
            }
        }
        out += s.front();
        s.remove_prefix(1);
    }
    return is_utf8(out) ? out : std::string();
}

// Original-Recipient's value from ORCPT as received: "type;xtext" (DQ-045, H163).
std::string original_recipient(std::string_view orcpt, Form form) {
    const auto semicolon = orcpt.find(';');
    if (semicolon == std::string_view::npos) return {};
    const std::string type = lower(printable(orcpt.substr(0, semicolon), 40));
    const auto encoded = orcpt.substr(semicolon + 1);
    std::string value = smtp::from_xtext(encoded).value_or(std::string(encoded));
    if (type == "utf-8" && form == Form::global) {
        const std::string native = native_utf8(value);
        if (!native.empty()) value = native;
    } else if (type == "utf-8") {
        value = smtp::seven_bit_orcpt(value);
    }
    value = printable(value, 600);
    return ascii_only(type) + "; " + (form == Form::global ? value : ascii_only(value));
}

std::string final_recipient(std::string_view address, Form form) {
    const std::string safe = printable(address, 1100);
    if (is_ascii(safe)) return "rfc822; " + safe;
    return "utf-8; " + (form == Form::global ? safe : smtp::seven_bit_orcpt(safe)); // DQ-046, RFC 6533 3
}

std::string recipient_group(const NoticeFacts& facts, const NoticeRecipient& r, Form form) {
    std::string out = "\r\n";
    if (!r.recipient.orcpt.empty()) {
        const std::string original = original_recipient(r.recipient.orcpt, form);
        if (!original.empty()) out += folded("Original-Recipient", original);
    }
    out += folded("Final-Recipient", final_recipient(r.recipient.address, form));
    out += folded("Action", word(facts.action));
    out += folded("Status", status_code(r.outcome, facts.action));
    if (r.outcome.code != 0 && !r.outcome.host.empty())
        out += folded("Remote-MTA", "dns; " + ascii_only(printable(r.outcome.host, 255)));
    if (r.outcome.code != 0 || r.outcome.reason != Reason::none || !r.outcome.text.empty()) {
        const std::string text = diagnostic(r.outcome);
        out += folded("Diagnostic-Code", form == Form::global ? text : ascii_only(text));
    }
    out += folded("Last-Attempt-Date", rfc5322_date(facts.now));
    out += folded("Final-Log-ID", facts.original.id);
    if (facts.action == Action::delayed && facts.will_retry_until)
        out += folded("Will-Retry-Until", rfc5322_date(*facts.will_retry_until));
    return out;
}

} // namespace

std::string utf8_of(unsigned code) {
    std::string out;
    const auto add = [&out](unsigned octet) { out += static_cast<char>(octet); };
    if (code < 0x80) {
        add(code);
    } else if (code < 0x800) {
        add(0xc0 | (code >> 6));
        add(0x80 | (code & 63));
    } else if (code < 0x10000) {
        add(0xe0 | (code >> 12));
        add(0x80 | (code >> 6 & 63));
        add(0x80 | (code & 63));
    } else {
        add(0xf0 | (code >> 18));
        add(0x80 | (code >> 12 & 63));
        add(0x80 | (code >> 6 & 63));
        add(0x80 | (code & 63));
    }
    return out;
}

std::string status_part(const NoticeFacts& facts, Form form) {
    std::string out = folded("Reporting-MTA", "dns; " + facts.hostname);
    if (!facts.original.envid.empty()) { // DQ-044
        const std::string id = smtp::from_xtext(facts.original.envid).value_or(facts.original.envid);
        out = folded("Original-Envelope-Id", ascii_only(printable(id, 200))) + out;
    }
    out += folded("Arrival-Date", rfc5322_date(facts.original.received_at));
    for (const auto& r : facts.recipients) out += recipient_group(facts, r, form);
    return out;
}

} // namespace danelaw::message
