// Which keys there are, what each may hold, and where it goes. What needs several of them, or files: check.cpp.
#include "danelaw/config/load.hpp"

#include "reader.hpp"

#include "danelaw/dns/name.hpp"

#include <fstream>
#include <sstream>

namespace danelaw::config {
namespace {

using namespace std::chrono_literals;

const Words<ListenerTls> listener_tls{{"off", ListenerTls::off},
                                      {"starttls", ListenerTls::starttls},
                                      {"required", ListenerTls::required},
                                      {"implicit", ListenerTls::implicit}};
const Words<AuthMode> auth_modes{
    {"off", AuthMode::off}, {"optional", AuthMode::optional}, {"required", AuthMode::required}};
const Words<bool> proxy_words{{"off", false}, {"required", true}};
const Words<BareNewline> newline_words{{"normalize", BareNewline::normalize}, {"reject", BareNewline::reject}};
const Words<AddressFamily> families{
    {"any", AddressFamily::any}, {"ipv4", AddressFamily::ipv4}, {"ipv6", AddressFamily::ipv6}};
const Words<TlsPolicy> tls_policies{{"none", TlsPolicy::none},           {"may", TlsPolicy::may},
                                    {"encrypt", TlsPolicy::encrypt},     {"dane", TlsPolicy::dane},
                                    {"dane-only", TlsPolicy::dane_only}, {"verify", TlsPolicy::verify}};
const Words<dane::InsecureMx> insecure_words{
    {"dane", dane::InsecureMx::dane}, {"encrypt", dane::InsecureMx::encrypt}, {"may", dane::InsecureMx::may}};
const Words<dane::OnFailure> failure_words{{"defer", dane::OnFailure::defer}, {"bounce", dane::OnFailure::bounce}};
const Words<std::string> protocols{{"1.2", "1.2"}, {"1.3", "1.3"}};
const Words<LogLevel> levels{
    {"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warn", LogLevel::warn}, {"error", LogLevel::error}};
const Words<LogFormat> formats{{"text", LogFormat::text}, {"json", LogFormat::json}};

void read_listener(Section& s, ListenerSettings& l) {
    s.text("address", l.address);
    s.word("tls", l.tls, listener_tls);
    s.text("certificate", l.certificate);
    s.text("private_key", l.private_key);
    s.word("auth", l.auth, auth_modes);
    s.word("proxy_protocol", l.proxy_protocol, proxy_words);
    s.word("bare_newline", l.bare_newline, newline_words);
    s.boolean("add_missing_headers", l.add_missing_headers);
}

void read_relay(Section& s, RelaySettings& r) {
    std::vector<IpPrefix> allow;
    s.list("allow", [&](const std::string& text) -> std::string {
        const auto prefix = IpPrefix::parse(text);
        if (!prefix) return "'" + printable(text, 64) + "' is not an address or a prefix with zero host bits";
        allow.push_back(*prefix);
        return "";
    });
    if (s.report().given(s.path("allow"))) r.allow = std::move(allow);
    s.text("users_file", r.users_file);
    s.text("client_ca", r.client_ca);
}

void read_limits(Section& s, LimitSettings& l) {
    s.size("message_size", l.message_size, 1024);
    s.number<std::uint32_t>("recipients_per_message", l.recipients_per_message, 1, 100'000);
    s.number<std::uint32_t>("connections", l.connections, 1, 100'000);
    s.number<std::uint32_t>("connections_per_client", l.connections_per_client, 1, 100'000);
    s.duration("command_timeout", l.command_timeout, 100ms);
    s.size("min_free_disk", l.min_free_disk, 0);
}

void read_queue(Section& s, QueueSettings& q) {
    // `rocksdb` was the embedded store's name once; files that still say so keep working.
    enum class Word { sqlite, postgres, former };
    Word store = Word::sqlite;
    s.word<Word>("store", store, {{"sqlite", Word::sqlite}, {"postgres", Word::postgres}, {"rocksdb", Word::former}});
    if (store == Word::former) s.report().warning(s.path("store"), "queue.store: rocksdb is now called sqlite");
    q.store = store == Word::postgres ? StoreKind::postgres : StoreKind::sqlite;
    s.text("path", q.path);
    s.text("postgres", q.postgres);
    std::vector<Millis> retry;
    s.list("retry", [&](const std::string& text) -> std::string {
        const auto d = parse_duration(text);
        if (!d || *d <= 0ms) return "'" + printable(text, 64) + "' is not a duration such as 30s, 5m or 1h";
        retry.push_back(*d);
        return "";
    });
    if (s.report().given(s.path("retry"))) q.retry = std::move(retry);
    s.duration("lifetime", q.lifetime, 1s);
    s.value("delay_warning", [&](const std::string& text) -> std::string {
        if (text == "off" || text == "false" || text == "no") {
            q.delay_warning.reset();
            return "";
        }
        const auto d = parse_duration(text);
        if (!d || *d <= 0ms) return "'" + printable(text, 64) + "' is not a duration such as 4h, or off";
        q.delay_warning = d;
        return "";
    });
}

void read_delivery(Section& s, DeliverySettings& d) {
    s.number<std::uint16_t>("port", d.port, 1, 65535);
    s.number<std::uint32_t>("connections", d.connections, 1, 100'000);
    s.number<std::uint32_t>("connections_per_destination", d.connections_per_destination, 1, 10'000);
    s.number<std::uint32_t>("messages_per_connection", d.messages_per_connection, 1, 1'000'000);
    s.duration("idle_reuse", d.idle_reuse, 0ms);
    s.duration("connect_timeout", d.connect_timeout, 10ms);
    s.duration("handshake_timeout", d.handshake_timeout, 10ms);
    s.duration("command_timeout", d.command_timeout, 10ms);
    s.duration("data_timeout", d.data_timeout, 10ms);
    s.duration("drain_timeout", d.drain_timeout, 0ms);
    s.word("address_family", d.address_family, families);
    s.list("source_addresses", [&](const std::string& text) -> std::string {
        const auto a = IpAddress::parse(text);
        if (!a) return "'" + printable(text, 64) + "' is not an IP address";
        d.source_addresses.push_back(*a);
        return "";
    });
}

// "192.0.2.1" or "192.0.2.1@5353", as in unbound.
std::string server_problem(const std::string& text) {
    const std::size_t at = text.find('@');
    if (!IpAddress::parse(text.substr(0, at))) return "'" + printable(text, 64) + "' is not ADDRESS or ADDRESS@PORT";
    if (at == std::string::npos) return "";
    const auto port = parse_number(text.substr(at + 1));
    if (!port || *port == 0 || *port > 65535) return "'" + printable(text, 64) + "' has no port from 1 to 65535";
    return "";
}

void read_stub_zone(Section& s, StubZone& stub) {
    s.value("zone", [&](const std::string& text) -> std::string {
        const auto name = dns::Name::from(text);
        if (!name && text != ".") return "'" + printable(text, 64) + "' is not a zone name";
        stub.zone = name && !name->empty() ? name->text() : ".";
        return "";
    });
    s.list("servers", [&](const std::string& text) {
        stub.servers.push_back(text);
        return server_problem(text);
    });
    if (stub.zone.empty()) s.report().error(s.path(), s.path() + " needs a zone");
    if (stub.servers.empty()) s.report().error(s.path(), s.path() + " needs servers");
}

void read_dns(Section& s, DnsSettings& d) {
    s.text("trust_anchors_file", d.trust_anchors_file);
    s.list("trust_anchors", [&](const std::string& text) {
        d.trust_anchors.push_back(text);
        return anchor_problem(text);
    });
    s.list("forwarders", [&](const std::string& text) {
        d.forwarders.push_back(text);
        return server_problem(text);
    });
    s.sections("stub_zones", [&](Section& zone) { read_stub_zone(zone, d.stub_zones.emplace_back()); });
    s.duration("timeout", d.timeout, 10ms);
    s.size("cache_size", d.cache_size, 1024 * 1024);
}

void read_tls(Section& s, dane::TlsRules& t) {
    s.word("policy", t.policy, tls_policies);
    s.word("insecure_mx", t.insecure_mx, insecure_words);
    s.word("on_failure", t.on_failure, failure_words);
    s.word("min_protocol", t.min_protocol, protocols);
    s.text("ca_file", t.ca_file);
    s.boolean("mta_sts", t.mta_sts);
}

std::string read_match(const std::string& text, std::vector<std::string>& out) {
    if (text == "*") {
        out.push_back(text);
        return "";
    }
    if (text.starts_with('[') && text.ends_with(']') && text.size() > 2) {
        out.push_back(lower(text));
        return "";
    }
    const bool below = text.starts_with('.');
    const auto name = dns::Name::from(below ? std::string_view(text).substr(1) : std::string_view(text));
    if (!name || name->empty()) {
        out.push_back(lower(text)); // never used: the file is refused
        return "'" + printable(text, 64) + "' is not a domain, nor .domain for all below it";
    }
    out.push_back((below ? "." : "") + name->text());
    return "";
}

std::string read_day(const std::string& text, std::optional<std::chrono::year_month_day>& out) {
    const auto parts = split(text, '-');
    if (text.size() == 10 && parts.size() == 3 && parts[0].size() == 4 && parts[1].size() == 2) {
        const auto y = parse_number(parts[0]), m = parse_number(parts[1]), d = parse_number(parts[2]);
        if (y && m && d) {
            const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(*y)),
                                                  std::chrono::month(static_cast<unsigned>(*m)),
                                                  std::chrono::day(static_cast<unsigned>(*d))};
            if (day.ok()) {
                out = day;
                return "";
            }
        }
    }
    return "'" + printable(text, 64) + "' is not a day such as 2027-01-31";
}

// A policy entry sets what it sets; the rest stays unset, and is inherited from tls: when it is applied.
template <class T, class Read> void set_if(std::optional<T>& out, Read read) {
    T value{};
    if (read(value)) out = std::move(value);
}

void read_policy(Section& s, PolicyEntry& p) {
    s.list("match", [&](const std::string& text) { return read_match(text, p.match); });
    set_if(p.tls, [&](TlsPolicy& v) { return s.word("tls", v, tls_policies); });
    set_if(p.insecure_mx, [&](dane::InsecureMx& v) { return s.word("insecure_mx", v, insecure_words); });
    set_if(p.on_failure, [&](dane::OnFailure& v) { return s.word("on_failure", v, failure_words); });
    set_if(p.min_protocol, [&](std::string& v) { return s.word("min_protocol", v, protocols); });
    set_if(p.ca_file, [&](std::string& v) { return s.text("ca_file", v); });
    set_if(p.mta_sts, [&](bool& v) { return s.boolean("mta_sts", v); });
    s.text("next_hop", p.next_hop);
    s.boolean("hold", p.hold);
    s.text("note", p.note);
    s.value("until", [&](const std::string& text) { return read_day(text, p.until); });
    if (!s.report().given(s.path("match"))) s.report().error(s.path(), s.path() + " needs match");
}

void read_dkim(Section& s, DkimKey& k) {
    s.text("domain", k.domain);
    s.text("selector", k.selector);
    s.text("private_key", k.private_key);
}

void read_tlsrpt(Section& s, TlsrptSettings& t) {
    s.boolean("enabled", t.enabled);
    s.text("organization", t.organization);
    s.text("contact", t.contact);
    s.text("from", t.from);
    s.section("dkim", [&](Section& d) { read_dkim(d, t.dkim); });
}

void read_log(Section& s, LogSettings& l) {
    s.word("level", l.level, levels);
    s.word("format", l.format, formats);
    s.text("target", l.target);
}

void read_all(Section& s, Settings& out) {
    s.text("hostname", out.hostname);
    s.text("postmaster", out.postmaster);
    s.sections("listeners", [&](Section& l) { read_listener(l, out.listeners.emplace_back()); });
    s.section("relay", [&](Section& v) { read_relay(v, out.relay); });
    s.section("limits", [&](Section& v) { read_limits(v, out.limits); });
    s.section("queue", [&](Section& v) { read_queue(v, out.queue); });
    s.section("delivery", [&](Section& v) { read_delivery(v, out.delivery); });
    s.section("dns", [&](Section& v) { read_dns(v, out.dns); });
    s.section("tls", [&](Section& v) { read_tls(v, out.tls); });
    s.sections("policies", [&](Section& v) { read_policy(v, out.policies.emplace_back()); });
    s.section("tlsrpt", [&](Section& v) { read_tlsrpt(v, out.tlsrpt); });
    s.sections("dkim", [&](Section& v) { read_dkim(v, out.dkim.emplace_back()); });
    s.section("admin", [&](Section& v) {
        v.text("address", out.admin.address);
        v.text("token_file", out.admin.token_file);
    });
    s.section("log", [&](Section& v) { read_log(v, out.log); });
    s.finish();
}

} // namespace

bool Loaded::valid() const {
    for (const Problem& p : problems) {
        if (p.severity == Severity::error) return false;
    }
    return true;
}

Loaded parse(const std::string& yaml, const std::string& file, Time now) {
    Loaded loaded;
    loaded.settings.file = file;
    Report report;
    try {
        Section root(YAML::Load(yaml), "", report);
        read_all(root, loaded.settings);
        check(loaded.settings, report, now);
    } catch (const YAML::Exception& e) {
        report.error(e.mark, "not valid YAML: " + e.msg);
    }
    loaded.problems = report.sorted();
    return loaded;
}

Loaded load(const std::string& file, Time now) {
    std::ifstream in(file);
    std::stringstream all;
    if (in) all << in.rdbuf();
    if (!in || in.bad()) {
        Loaded loaded;
        loaded.settings.file = file;
        loaded.problems.push_back({Severity::error, 1, 1, "can't read the file"});
        return loaded;
    }
    return parse(all.str(), file, now);
}

std::string text(const std::string& file, const Problem& problem) {
    return file + ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": " +
           (problem.severity == Severity::warning ? "warning: " : "") + problem.message;
}

} // namespace danelaw::config
