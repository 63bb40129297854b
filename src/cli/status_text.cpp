// `danelaw status` for people: one screen, the most urgent first.
#include "commands.hpp"
#include "fields.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t rows_most = 8, failures_most = 5, bar_width = 24, line_most = 120;

// 1234567 as 1,234,567.
std::string grouped(std::uint64_t n) {
    std::string text = std::to_string(n);
    for (std::size_t i = text.size(); i > 3;) text.insert(i -= 3, ",");
    return text;
}

std::string count(std::uint64_t n, std::string_view one) {
    return grouped(n) + " " + std::string(one) + (n == 1 ? "" : "s");
}

std::string cut(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    text.resize(most - 3);
    return text + "...";
}

std::string bar(std::uint64_t n, std::uint64_t most) {
    const auto full = most == 0 ? 0 : std::max<std::uint64_t>(n * bar_width / most, n > 0 ? 1 : 0);
    return fmt::format("{:#<{}}{:.<{}}", "", full, "", bar_width - full);
}

struct Row {
    std::string name;
    std::uint64_t n = 0;
    std::string note;
};

void rows(std::ostream& out, std::string_view title, const std::vector<Row>& all, std::uint64_t whole) {
    if (all.empty()) return;
    out << "\n" << title << "\n";
    for (const Row& r : all) {
        out << fmt::format("  {:<34} {:>11}  {}  {}", cut(r.name, 34), grouped(r.n), bar(r.n, whole), r.note);
        out << "\n";
    }
}

std::uint64_t most_of(const std::vector<Row>& all) {
    const auto found = std::ranges::max_element(all, {}, &Row::n);
    return found == all.end() ? 0 : found->n;
}

void head(std::ostream& out, const json::object& s) {
    const json::object& health = object_of(s, "health");
    out << "danelaw " << text_of(s, "version") << ", up "
        << age_text(static_cast<std::int64_t>(number_of(s, "uptime_s"))) << ", "
        << (text_of(health, "ok") == "true" ? "healthy" : "NOT healthy") << "\n";
    for (const json::value& p : array_of(health, "problems"))
        out << "  ! " << printable(std::string_view(p.as_string()), 500) << "\n";
    for (const json::value& w : array_of(health, "warnings"))
        out << "  ~ " << printable(std::string_view(w.as_string()), 500) << "\n";
}

void figures(std::ostream& out, const json::object& s) {
    const json::object &q = object_of(s, "queue"), &d = object_of(s, "delivered"), &a = object_of(s, "accepted");
    const json::object &dns = object_of(s, "dns"), &c = object_of(s, "connections");
    out << "\nqueue      " << count(number_of(q, "messages"), "message") << ", "
        << count(number_of(q, "recipients"), "recipient") << ": " << grouped(number_of(q, "active")) << " active, "
        << grouped(number_of(q, "deferred")) << " deferred, " << grouped(number_of(q, "held")) << " held";
    if (number_of(q, "messages") > 0)
        out << "; " << count(number_of(q, "destinations"), "destination") << ", oldest "
            << age_text(static_cast<std::int64_t>(number_of(q, "oldest_age_s")));
    out << "\ndelivered  " << grouped(number_of(d, "per_minute")) << " in the last minute, "
        << grouped(number_of(d, "total")) << " since the start; "
        << grouped(number_of(object_of(s, "bounced"), "total")) << " given up\naccepted   "
        << count(number_of(a, "total"), "message") << "; " << count(number_of(a, "rejected"), "refusal")
        << "\ndns        " << grouped(number_of(dns, "secure")) << " secure, " << grouped(number_of(dns, "insecure"))
        << " insecure, " << grouped(number_of(dns, "bogus")) << " bogus, " << grouped(number_of(dns, "error"))
        << " failed\nservers    " << count(number_of(c, "open"), "open connection") << "; "
        << grouped(number_of(c, "reused")) << " reuses of " << grouped(number_of(c, "opened")) << ", "
        << count(number_of(c, "handshakes"), "TLS handshake") << "\n";
}

// How well what went out was protected, the strongest first (D-29: DANE behind an unsigned MX is said to be that).
std::vector<Row> levels(const json::object& s) {
    const json::object& tally = object_of(object_of(s, "delivered"), "by_tls_level");
    const json::object& unsecured = object_of(s, "unsecured_dane");
    const std::uint64_t all = number_of(object_of(s, "delivered"), "total");
    std::vector<Row> out;
    for (const char* level : {"dane-ee", "dane-ta", "mta-sts", "pkix", "encrypted", "none"}) {
        const std::uint64_t n = number_of(tally, level), weak = number_of(unsecured, level);
        if (n == 0) continue;
        Row r{level, n,
              fmt::format("{:.1f}%", all == 0 ? 0.0 : 100.0 * static_cast<double>(n) / static_cast<double>(all))};
        if (weak > 0) r.note += ", " + grouped(weak) + " of them behind an MX that is not secure";
        out.push_back(std::move(r));
    }
    return out;
}

std::vector<Row> rows_of(const json::array& all, const char* name, const char* note) {
    std::vector<Row> out;
    for (const json::value& v : all) {
        const json::object& o = v.as_object();
        const std::string text = text_of(o, name);
        out.push_back({text.empty() ? "nothing wrong so far" : text, number_of(o, "recipients"), text_of(o, note)});
        if (out.size() == rows_most) break;
    }
    return out;
}

void failures(std::ostream& out, const json::array& all) {
    if (!all.empty()) out << "\nlast failures\n";
    for (std::size_t i = 0; i < std::min(all.size(), failures_most); ++i) {
        const json::object& f = all[i].as_object();
        const std::string host = text_of(f, "host");
        const std::string what = text_of(f, "ts").substr(11, 8) + "  " + text_of(f, "result") + " " +
                                 text_of(f, "reason") + "  " + text_of(f, "recipient");
        const std::string why = text_of(f, "id") + (host.empty() ? "" : " at " + host) + ": " + text_of(f, "text");
        out << "  " << cut(what, line_most) << "\n            " << cut(why, line_most) << "\n";
    }
}

} // namespace

void render_status(std::ostream& out, const json::object& s) {
    head(out, s);
    figures(out, s);
    rows(out, "delivered, by TLS level", levels(s), number_of(object_of(s, "delivered"), "total"));
    const auto reasons = rows_of(array_of(s, "reasons"), "reason", "");
    rows(out, "waiting, by reason", reasons, most_of(reasons));
    const auto destinations = rows_of(array_of(s, "destinations"), "domain", "reason");
    rows(out, "fullest destinations", destinations, most_of(destinations));
    const auto relays = rows_of(array_of(s, "relays"), "name", "seen_at");
    rows(out, "relays on this queue, and how many recipients each works on", relays, most_of(relays));
    failures(out, array_of(s, "failures"));
}

} // namespace danelaw::cli
