// Queue and status for people, from the JSON that scripts get.
#include "commands.hpp"
#include "fields.hpp"

#include "danelaw/base/text.hpp"

#include <boost/json/serialize.hpp>

#include <iomanip>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

std::int64_t seconds_between(Time a, Time b) {
    return std::chrono::duration_cast<Seconds>(b - a).count();
}

std::string since(const json::object& o, std::string_view key, Time now) {
    const auto t = parse_rfc3339(text_of(o, key));
    return t ? age_text(seconds_between(*t, now)) : "-";
}

// A server's reply holds its code and status already; our own words don't.
std::string said_of(const json::object& o) {
    const std::string code = text_of(o, "code"), enhanced = text_of(o, "enhanced"), text = text_of(o, "text");
    if (text.empty() || (!code.empty() && text.starts_with(code))) return text;
    std::string out;
    for (const auto& word : {code, enhanced})
        if (!word.empty()) out += word + " ";
    return out + text;
}

void render_last(std::ostream& out, const json::object& last) {
    const std::string reason = text_of(last, "reason"), host = text_of(last, "host");
    out << text_of(last, "result");
    if (!reason.empty()) out << " " << reason;
    if (!host.empty()) out << " at " << host;
    if (text_of(last, "result") == "delivered") out << " [" << text_of(last, "tls_level") << "]";
    if (const std::string text = text_of(last, "text"); !text.empty()) out << ": " << text;
}

void render_recipient(std::ostream& out, const json::object& r, Time now) {
    out << "    " << text_of(r, "address") << "  " << text_of(r, "state");
    if (const auto next = parse_rfc3339(text_of(r, "next_attempt"))) {
        const std::int64_t wait = seconds_between(now, *next);
        out << (wait <= 0 ? ", due now" : ", next in " + age_text(wait));
    }
    if (number_of(r, "attempts") > 0) out << ", " << number_of(r, "attempts") << " tried";
    out << "\n";
    const json::object& last = object_of(r, "last");
    if (!last.empty()) {
        out << "        ";
        render_last(out, last);
        out << "\n";
    }
}

std::string seen(const json::object& attempt) {
    const json::object& dns = object_of(attempt, "dns");
    return "mx " + text_of(dns, "mx") + ", address " + text_of(dns, "address") + ", tlsa " + text_of(dns, "tlsa");
}

void render_attempt(std::ostream& out, const json::object& a) {
    out << "\n  " << text_of(a, "ts") << "  " << text_of(a, "host");
    if (const std::string address = text_of(a, "address"); !address.empty()) {
        out << " (" << address << " port " << text_of(a, "port") << ")";
    }
    out << "  " << text_of(a, "ms") << " ms\n    dns     " << seen(a) << "\n";
    for (const json::value& t : array_of(a, "tlsa")) {
        out << "    tlsa    " << printable(t.is_string() ? std::string_view(t.get_string()) : "", 200) << "\n";
    }
    const json::object& tls = object_of(a, "tls");
    if (!tls.empty()) {
        out << "    tls     " << text_of(tls, "level") << " " << text_of(tls, "protocol") << " "
            << text_of(tls, "cipher");
        if (const std::string sni = text_of(tls, "sni"); !sni.empty()) out << " sni " << sni;
        if (const std::string m = text_of(tls, "matched"); !m.empty()) out << " matched " << m;
        const bool by_dane = text_of(tls, "level").starts_with("dane-");
        if (by_dane && text_of(tls, "secured") == "false") out << " (behind an MX that is not secure)"; // DANE-028
        out << "\n";
    }
    out << "    result  " << text_of(a, "result") << " " << text_of(a, "reason") << "\n";
    if (const std::string said = said_of(a); !said.empty()) out << "    said    " << said << "\n";
}

} // namespace

std::string age_text(std::int64_t s) {
    if (s < 0) s = 0;
    if (s < 120) return std::to_string(s) + "s";
    if (s < 120 * 60) return std::to_string(s / 60) + "m";
    if (s < 48 * 3600)
        return std::to_string(s / 3600) + "h" + (s / 60 % 60 != 0 ? std::to_string(s / 60 % 60) + "m" : "");
    return std::to_string(s / 86400) + "d" + (s / 3600 % 24 != 0 ? std::to_string(s / 3600 % 24) + "h" : "");
}

void render_message(std::ostream& out, const json::object& m, Time now) {
    const std::string sender = text_of(m, "sender");
    out << text_of(m, "id") << "  " << std::left << std::setw(8) << text_of(m, "state") << "  " << std::right
        << std::setw(8) << number_of(m, "size") << "  " << std::setw(6) << since(m, "received_at", now) << "  <"
        << sender << ">\n";
    for (const json::value& r : array_of(m, "recipients")) render_recipient(out, r.as_object(), now);
}

void render_detail(std::ostream& out, const json::object& m, Time now) {
    const json::object& client = object_of(m, "client");
    out << "id        " << text_of(m, "id") << "\nstate     " << text_of(m, "state") << "\nsender    <"
        << text_of(m, "sender") << ">\nreceived  " << text_of(m, "received_at") << " (" << since(m, "received_at", now)
        << " ago)\nsize      " << number_of(m, "size") << "\nfrom      " << text_of(client, "protocol") << " "
        << (text_of(client, "address").empty() ? text_of(m, "origin") : text_of(client, "address"));
    if (const std::string user = text_of(client, "user"); !user.empty()) out << " as " << user;
    if (const std::string tls = text_of(client, "tls"); !tls.empty()) out << " over " << tls;
    out << "\nasks      " << text_of(m, "body") << (text_of(m, "smtputf8") == "true" ? " SMTPUTF8" : "")
        << (text_of(m, "requiretls") == "true" ? " REQUIRETLS" : "") << "\nrecipients\n";
    for (const json::value& r : array_of(m, "recipients")) render_recipient(out, r.as_object(), now);
}

void render_trace(std::ostream& out, const json::object& t, Time now) {
    render_detail(out, t, now);
    const json::array& attempts = array_of(t, "attempts");
    out << "attempts  " << attempts.size() << "\n";
    for (const json::value& a : attempts) {
        if (a.is_object()) render_attempt(out, a.get_object());
    }
}

} // namespace danelaw::cli
