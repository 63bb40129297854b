// The pre-flight as a page that an operator reads: the verdict first, then why, host by host.
#include "commands.hpp"
#include "fields.hpp"

namespace danelaw::cli {
namespace {

namespace json = boost::json;

std::string flag(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    return v != nullptr && v->is_bool() ? (v->get_bool() ? "yes" : "no") : "";
}

std::string joined(const json::array& values) {
    std::string out;
    for (const json::value& v : values) {
        if (!out.empty()) out += "  ";
        out += v.is_string() ? printable(std::string_view(v.get_string()), 300) : json::serialize(v);
    }
    return out;
}

void render_records(std::ostream& out, const json::object& host) {
    out << "      tlsa     " << text_of(host, "tlsa_status");
    if (const std::string base = text_of(host, "tlsa_base"); !base.empty()) {
        out << " at _" << text_of(host, "port") << "._tcp." << base;
    }
    out << "\n";
    for (const json::value& v : array_of(host, "tlsa")) {
        const json::object& r = v.as_object();
        out << "               " << text_of(r, "usage") << " " << text_of(r, "selector") << " "
            << text_of(r, "matching") << " " << text_of(r, "data").substr(0, 64);
        if (flag(r, "usable") == "no") out << "  (not usable: " << text_of(r, "why") << ")";
        out << "\n";
    }
}

void render_certificate(std::ostream& out, const json::object& probe) {
    const json::array& chain = array_of(probe, "chain");
    if (chain.empty()) return;
    const json::object& leaf = chain.front().as_object();
    out << "               certificate " << text_of(leaf, "subject") << ", " << text_of(leaf, "key") << ", until "
        << text_of(leaf, "not_after").substr(0, 10) << "\n               names " << joined(array_of(leaf, "names"))
        << "\n               3 1 1 " << text_of(leaf, "spki_sha256") << "\n";
}

void render_probe(std::ostream& out, const json::object& p) {
    out << "      probe    " << text_of(p, "address") << "  " << text_of(p, "verdict");
    if (text_of(p, "verdict") == "ok") {
        out << "  " << text_of(p, "level") << "  " << text_of(p, "protocol") << " " << text_of(p, "cipher");
        const json::object& m = object_of(p, "matched");
        if (!m.empty()) {
            out << "  matched " << text_of(m, "usage") << " " << text_of(m, "selector") << " " << text_of(m, "matching")
                << " at depth " << text_of(m, "depth");
        }
    } else {
        out << "  " << text_of(p, "reason") << ": " << text_of(p, "text");
        if (flag(p, "starttls") == "no") out << " (STARTTLS was not offered)";
    }
    out << "\n";
    render_certificate(out, p);
    const std::string ecdsa = text_of(p, "ecdsa"), rsa = text_of(p, "rsa");
    if (!ecdsa.empty() || !rsa.empty()) out << "               with ECDSA " << ecdsa << ", with RSA " << rsa << "\n";
}

void render_host(std::ostream& out, const json::object& h) {
    out << "  " << text_of(h, "preference") << " " << text_of(h, "name") << "  requires " << text_of(h, "requirement");
    if (const std::string reason = text_of(h, "reason"); !reason.empty()) out << " (" << reason << ")";
    if (flag(h, "secured") == "no" && text_of(h, "requirement") == "dane") out << ", behind an MX that is not secure";
    out << "\n";
    if (const std::string why = text_of(h, "why"); !why.empty()) out << "      because  " << why << "\n";
    out << "      address  " << text_of(h, "address_status") << "  " << joined(array_of(h, "addresses")) << "\n";
    render_records(out, h);
    for (const json::value& p : array_of(h, "probes")) render_probe(out, p.as_object());
}

} // namespace

void render_check(std::ostream& out, const json::object& c) {
    const std::string verdict = text_of(c, "verdict");
    out << text_of(c, "domain") << ": mail would be "
        << (verdict == "deliver"  ? "delivered"
            : verdict == "bounce" ? "bounced"
                                  : "deferred");
    if (verdict == "deliver") out << ", " << text_of(c, "level");
    if (const std::string reason = text_of(c, "reason"); !reason.empty()) out << ", " << reason;
    out << "\n";
    if (const std::string text = text_of(c, "text"); !text.empty()) out << "  " << text << "\n";
    const json::object &mx = object_of(c, "mx"), &sts = object_of(c, "mta_sts");
    out << "  policy " << text_of(c, "policy") << ", mx " << text_of(mx, "status")
        << (flag(mx, "null_mx") == "yes" ? " (takes no mail)" : "");
    if (flag(sts, "announced") == "yes" || sts.contains("mode")) {
        out << ", mta-sts " << (sts.contains("mode") ? text_of(sts, "mode") : text_of(sts, "reason"));
    }
    out << "\n";
    for (const json::value& h : array_of(c, "hosts")) render_host(out, h.as_object());
    for (const json::value& n : array_of(c, "notes"))
        out << "  note    " << printable(std::string_view(n.as_string())) << "\n";
    for (const json::value& a : array_of(c, "advice")) {
        out << "  advice  " << printable(std::string_view(a.as_string())) << "\n";
    }
}

} // namespace danelaw::cli
