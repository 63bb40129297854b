// The pre-flight as a page that an operator reads: the verdict in a sentence, the table of hosts, each host with its
// records and its servers' certificates, and what the remote should fix. Made of the JSON that scripts get, no more.
#include "commands.hpp"
#include "fields.hpp"

#include "danelaw/base/time.hpp"

#include <algorithm>
#include <array>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t label_width = 11; // of what stands left of a host's facts
constexpr std::size_t digest_shown = 64;

std::string flag(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    return v != nullptr && v->is_bool() ? (v->get_bool() ? "yes" : "no") : "";
}

std::string joined(const json::array& values, std::string_view between = ", ") {
    std::vector<std::string> texts;
    for (const json::value& v : values)
        texts.push_back(v.is_string() ? printable(std::string_view(v.get_string()), 300) : json::serialize(v));
    return join(texts, between);
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

// One fact: its name, then what is known.
void line(std::ostream& out, const std::string& label, const std::string& text) {
    if (text.empty()) return;
    out << "  " << padded(label, label_width) << (label.size() < label_width ? "" : " ") << text << "\n";
}

std::string ttl_of(const json::object& o, std::string_view key) {
    const std::string ttl = text_of(o, key);
    return ttl.empty() || ttl == "0" ? "" : ", TTL " + ttl + " s";
}

// -- the domain ----------------------------------------------------------------------------------

void render_verdict(std::ostream& out, const json::object& c) {
    const std::string verdict = text_of(c, "verdict");
    out << text_of(c, "domain") << ": mail would be "
        << (verdict == "deliver"  ? "delivered"
            : verdict == "bounce" ? "bounced"
                                  : "deferred");
    if (verdict == "deliver") {
        if (const std::string level = text_of(c, "level"); level != "none") out << ", " << level;
    }
    if (const std::string reason = text_of(c, "reason"); !reason.empty()) out << ", " << reason;
    out << "\n";
    if (const std::string text = text_of(c, "text"); !text.empty()) out << "  " << text << "\n";
    out << "\n";
}

std::string sts_text(const json::object& sts) {
    if (sts.contains("mode")) return text_of(sts, "mode") + " for " + joined(array_of(sts, "mx"));
    if (const std::string reason = text_of(sts, "reason"); !reason.empty())
        return "announced, and no policy to be had: " + reason + ": " + text_of(sts, "text");
    return flag(sts, "announced") == "yes" ? "announced" : "";
}

void render_domain(std::ostream& out, const json::object& c) {
    const json::object& mx = object_of(c, "mx");
    const std::string note = text_of(c, "policy_note");
    line(out, "policy", text_of(c, "policy") + (note.empty() ? "" : " (" + note + ")"));
    std::string text = text_of(mx, "status") + ttl_of(mx, "ttl_s");
    if (flag(mx, "null_mx") == "yes") text += ": the domain takes no mail (null MX)";
    if (text_of(mx, "status") == "absent" && !array_of(c, "hosts").empty())
        text += ": the domain's own address stands for it";
    if (const std::string to = text_of(mx, "canonical"); !to.empty()) text += ", by an alias to " + to;
    if (const std::string why = text_of(mx, "why"); !why.empty()) text += ": " + why;
    line(out, "MX", text);
    line(out, "MTA-STS", sts_text(object_of(c, "mta_sts")));
}

// -- the table of hosts --------------------------------------------------------------------------

std::string tlsa_cell(const json::object& h) {
    const json::array& records = array_of(h, "tlsa");
    const auto usable = std::ranges::count_if(
        records, [](const json::value& r) { return r.is_object() && flag(r.get_object(), "usable") == "yes"; });
    std::string text = text_of(h, "tlsa_status");
    if (!records.empty()) text += ", " + std::to_string(usable) + " of " + std::to_string(records.size()) + " usable";
    return text;
}

std::string result_cell(const json::object& h) {
    if (text_of(h, "requirement") == "skip") return text_of(h, "reason");
    const json::array& probes = array_of(h, "probes");
    if (probes.empty()) return "not probed";
    std::vector<std::string> results;
    for (const json::value& v : probes) {
        const json::object& p = v.as_object();
        std::string one = text_of(p, "verdict") == "ok" ? "ok, " + text_of(p, "level") : text_of(p, "reason");
        if (std::ranges::find(results, one) == results.end()) results.push_back(std::move(one));
    }
    return join(results, "; ");
}

using Row = std::array<std::string, 7>;

void render_table(std::ostream& out, const json::object& c) {
    const json::array& hosts = array_of(c, "hosts");
    if (hosts.empty()) return;
    const std::string mx = text_of(object_of(c, "mx"), "status");
    std::vector<Row> rows{{"pref", "host", "MX", "address", "TLSA", "requires", "result"}};
    for (const json::value& v : hosts) {
        const json::object& h = v.as_object();
        rows.push_back({text_of(h, "preference"), text_of(h, "name"), mx, text_of(h, "address_status"), tlsa_cell(h),
                        text_of(h, "requirement"), result_cell(h)});
    }
    std::array<std::size_t, 7> widths{};
    for (const Row& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    out << "\n";
    for (const Row& row : rows) {
        out << "  ";
        for (std::size_t i = 0; i + 1 < row.size(); ++i) out << padded(row[i], widths[i] + 2);
        out << row.back() << "\n";
    }
}

// -- a host --------------------------------------------------------------------------------------

void render_addresses(std::ostream& out, const json::object& h) {
    std::string text = joined(array_of(h, "addresses"));
    std::string dns;
    if (const std::string a = text_of(h, "a_status"); !a.empty())
        dns = "A " + a + ", AAAA " + text_of(h, "aaaa_status") + ttl_of(h, "address_ttl_s");
    else
        dns = text_of(h, "address_status");
    line(out, "address", text.empty() ? dns : text + "  (" + dns + ")");
    if (const std::string to = text_of(h, "canonical"); !to.empty()) {
        const std::string alias = text_of(h, "alias_status");
        line(out, "alias of", to + (alias.empty() ? "" : "  (the alias itself is " + alias + ")"));
    }
}

void render_records(std::ostream& out, const json::object& h) {
    const std::string port = text_of(h, "port");
    const json::array& asked = array_of(h, "tlsa_lookups");
    if (asked.empty()) line(out, "TLSA", text_of(h, "tlsa_status"));
    for (const json::value& v : asked) {
        const json::object& lookup = v.as_object();
        const std::string why = text_of(lookup, "why");
        line(out, "TLSA",
             text_of(lookup, "status") + " at _" + port + "._tcp." + text_of(lookup, "base") + ttl_of(lookup, "ttl_s") +
                 (why.empty() ? "" : ": " + why));
    }
    for (const json::value& v : array_of(h, "tlsa")) {
        const json::object& r = v.as_object();
        const std::string data = text_of(r, "data");
        std::string text = "  " + text_of(r, "usage") + " " + text_of(r, "selector") + " " + text_of(r, "matching") +
                           " " + data.substr(0, digest_shown) + (data.size() > digest_shown ? "..." : "");
        if (flag(r, "usable") == "no") text += "  not usable: " + text_of(r, "why");
        line(out, "", text);
    }
}

std::string dates(const json::object& certificate, std::optional<Time> at) {
    std::string text =
        text_of(certificate, "not_before").substr(0, 10) + " to " + text_of(certificate, "not_after").substr(0, 10);
    const auto end = parse_rfc3339(text_of(certificate, "not_after"));
    if (!end || !at) return text;
    const auto left = std::chrono::floor<std::chrono::days>(*end - *at).count();
    return text + (left < 0 ? " (ENDED)" : " (" + std::to_string(left) + " days left)");
}

void render_leaf(std::ostream& out, const json::object& leaf, std::optional<Time> at) {
    line(out, "",
         "  " + text_of(leaf, "subject") + ", " + text_of(leaf, "key") + ", " + dates(leaf, at) + ", by " +
             text_of(leaf, "issuer"));
    const json::array& names = array_of(leaf, "names");
    line(out, "", "  names " + (names.empty() ? "none in DNS form" : joined(names)));
    line(out, "", "  3 1 1 " + text_of(leaf, "spki_sha256"));
}

void render_chain(std::ostream& out, const json::object& probe, std::optional<Time> at) {
    const json::array& chain = array_of(probe, "chain");
    if (chain.empty()) return;
    render_leaf(out, chain.front().as_object(), at);
    for (std::size_t i = 1; i < chain.size(); ++i) {
        const json::object& above = chain[i].as_object();
        line(out, "",
             "  above it " + text_of(above, "subject") + ", " + text_of(above, "key") + ", " + dates(above, at));
        line(out, "", "  2 0 1 " + text_of(above, "cert_sha256"));
    }
}

// Where a server was seen with two certificates: what a sender meets that negotiates the one or the other.
void render_keys(std::ostream& out, const json::object& probe, std::optional<Time> at) {
    const json::object& keys = object_of(probe, "keys");
    for (const auto& [member, title] : {std::pair("ecdsa", "ECDSA"), std::pair("rsa", "RSA")}) {
        const json::object& key = object_of(keys, member);
        const bool passes = text_of(key, "result") == "passes";
        std::string text = std::string("with ") + title + " " +
                           (passes ? "passes, " + text_of(key, "level") : "FAILS, " + text_of(key, "reason"));
        if (const std::string why = text_of(key, "text"); !passes && !why.empty()) text += ": " + why;
        line(out, "", text);
        render_leaf(out, object_of(key, "certificate"), at);
    }
}

void render_probe(std::ostream& out, const json::object& p, std::optional<Time> at) {
    std::string text;
    if (text_of(p, "verdict") == "ok") {
        text = "ok, " + (text_of(p, "level") == "none" ? "in clear text" : text_of(p, "level"));
        if (const std::string protocol = text_of(p, "protocol"); !protocol.empty())
            text += " over " + protocol + " " + text_of(p, "cipher");
        if (const json::object& m = object_of(p, "matched"); !m.empty())
            text += ", matched " + text_of(m, "usage") + " " + text_of(m, "selector") + " " + text_of(m, "matching") +
                    " at depth " + text_of(m, "depth");
    } else {
        text = "FAILS, " + text_of(p, "reason") + ": " + text_of(p, "text");
    }
    line(out, text_of(p, "address"), text);
    if (p.contains("keys"))
        render_keys(out, p, at);
    else
        render_chain(out, p, at);
}

void render_host(std::ostream& out, const json::object& h, std::optional<Time> at) {
    out << "\n" << text_of(h, "name") << "\n";
    render_addresses(out, h);
    render_records(out, h);
    const std::string requirement = text_of(h, "requirement"), why = text_of(h, "why");
    std::string text = requirement == "skip" ? "not to be used, " + text_of(h, "reason") : requirement;
    if (!why.empty()) text += ": " + why;
    if (requirement == "dane" && flag(h, "secured") == "no") text += ", behind an MX that is not secure";
    line(out, "requires", text);
    if (requirement == "dane") line(out, "names", joined(array_of(h, "reference_names"), " or "));
    for (const json::value& p : array_of(h, "probes")) render_probe(out, p.as_object(), at);
}

void render_list(std::ostream& out, const char* title, const json::array& lines) {
    if (lines.empty()) return;
    out << "\n" << title << "\n";
    for (const json::value& text : lines)
        out << "  - " << printable(text.is_string() ? std::string_view(text.get_string()) : "", 1000) << "\n";
}

} // namespace

void render_check(std::ostream& out, const json::object& c) {
    const auto at = parse_rfc3339(text_of(c, "at"));
    render_verdict(out, c);
    render_domain(out, c);
    render_table(out, c);
    for (const json::value& h : array_of(c, "hosts")) render_host(out, h.as_object(), at);
    render_list(out, "What the remote should fix", array_of(c, "advice"));
    render_list(out, "What could be better", array_of(c, "hints"));
    render_list(out, "Notes", array_of(c, "notes"));
}

} // namespace danelaw::cli
