// The effective configuration as YAML, in the order of the documented shape.
#include "danelaw/config/load.hpp"

#include "danelaw/dane/plan.hpp"

#include <yaml-cpp/yaml.h>

namespace danelaw::config {
namespace {

using Out = YAML::Emitter;

// Text is always quoted: "1.3", "off" or "::1" must not turn into something else when read again.
void text(Out& out, const char* key, const std::string& value) {
    out << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << value << YAML::Auto;
}
void bare(Out& out, const char* key, std::string_view value) {
    out << YAML::Key << key << YAML::Value << std::string(value);
}
void flag(Out& out, const char* key, bool value) {
    bare(out, key, value ? "on" : "off");
}
template <class N> void number(Out& out, const char* key, N value) {
    bare(out, key, std::to_string(value));
}
void duration(Out& out, const char* key, Millis value) {
    bare(out, key, duration_text(value));
}
void size(Out& out, const char* key, Bytes value) {
    bare(out, key, size_text(value));
}

void texts(Out& out, const char* key, const std::vector<std::string>& values) {
    out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const std::string& v : values) out << YAML::DoubleQuoted << v;
    out << YAML::EndSeq << YAML::Auto;
}

void begin(Out& out, const char* key) {
    out << YAML::Key << key << YAML::Value << YAML::BeginMap;
}
void end(Out& out) {
    out << YAML::EndMap;
}

std::string_view word(ListenerTls v) {
    switch (v) {
    case ListenerTls::off: return "off";
    case ListenerTls::starttls: return "starttls";
    case ListenerTls::required: return "required";
    case ListenerTls::implicit: return "implicit";
    }
    return "";
}
std::string_view word(AuthMode v) {
    switch (v) {
    case AuthMode::off: return "off";
    case AuthMode::optional: return "optional";
    case AuthMode::required: return "required";
    }
    return "";
}
std::string_view word(AddressFamily v) {
    switch (v) {
    case AddressFamily::any: return "any";
    case AddressFamily::ipv4: return "ipv4";
    case AddressFamily::ipv6: return "ipv6";
    }
    return "";
}
std::string_view word(LogLevel v) {
    switch (v) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
    }
    return "";
}

void listener(Out& out, const ListenerSettings& l) {
    out << YAML::BeginMap;
    text(out, "address", l.address);
    bare(out, "tls", word(l.tls));
    text(out, "certificate", l.certificate);
    text(out, "private_key", l.private_key);
    bare(out, "auth", word(l.auth));
    bare(out, "proxy_protocol", l.proxy_protocol ? "required" : "off");
    bare(out, "bare_newline", l.bare_newline == BareNewline::reject ? "reject" : "normalize");
    flag(out, "add_missing_headers", l.add_missing_headers);
    out << YAML::EndMap;
}

void receiving(Out& out, const Settings& s) {
    out << YAML::Key << "listeners" << YAML::Value << YAML::BeginSeq;
    for (const ListenerSettings& l : s.listeners) listener(out, l);
    out << YAML::EndSeq;
    begin(out, "relay");
    std::vector<std::string> allow;
    for (const IpPrefix& p : s.relay.allow) allow.push_back(p.text());
    texts(out, "allow", allow);
    text(out, "users_file", s.relay.users_file);
    text(out, "client_ca", s.relay.client_ca);
    end(out);
    begin(out, "limits");
    size(out, "message_size", s.limits.message_size);
    number(out, "recipients_per_message", s.limits.recipients_per_message);
    number(out, "connections", s.limits.connections);
    number(out, "connections_per_client", s.limits.connections_per_client);
    duration(out, "command_timeout", s.limits.command_timeout);
    size(out, "min_free_disk", s.limits.min_free_disk);
    end(out);
}

// A password in a connection string is not for a screen, a ticket or a log.
std::string without_password(const std::string& conninfo) {
    std::string safe = conninfo;
    const std::size_t key = safe.find("password=");
    if (key != std::string::npos) {
        const std::size_t from = key + 9;
        const bool quoted = from < safe.size() && safe[from] == '\'';
        const std::size_t stop = quoted ? safe.find('\'', from + 1) : safe.find(' ', from);
        safe.replace(from, stop == std::string::npos ? std::string::npos : stop + (quoted ? 1 : 0) - from, "***");
    }
    return safe;
}

void queue(Out& out, const QueueSettings& q) {
    begin(out, "queue");
    bare(out, "store", q.store == StoreKind::postgres ? "postgres" : "sqlite");
    text(out, "path", q.path);
    text(out, "postgres", without_password(q.postgres));
    out << YAML::Key << "retry" << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const Millis d : q.retry) out << duration_text(d);
    out << YAML::EndSeq << YAML::Auto;
    duration(out, "lifetime", q.lifetime);
    bare(out, "delay_warning", q.delay_warning ? duration_text(*q.delay_warning) : "off");
    end(out);
}

void delivery(Out& out, const DeliverySettings& d) {
    begin(out, "delivery");
    number(out, "port", d.port);
    number(out, "connections", d.connections);
    number(out, "connections_per_destination", d.connections_per_destination);
    number(out, "messages_per_connection", d.messages_per_connection);
    duration(out, "idle_reuse", d.idle_reuse);
    duration(out, "connect_timeout", d.connect_timeout);
    duration(out, "handshake_timeout", d.handshake_timeout);
    duration(out, "command_timeout", d.command_timeout);
    duration(out, "data_timeout", d.data_timeout);
    duration(out, "drain_timeout", d.drain_timeout);
    bare(out, "address_family", word(d.address_family));
    std::vector<std::string> sources;
    for (const IpAddress& a : d.source_addresses) sources.push_back(a.text());
    texts(out, "source_addresses", sources);
    end(out);
}

void dns(Out& out, const DnsSettings& d) {
    begin(out, "dns");
    text(out, "trust_anchors_file", d.trust_anchors_file);
    texts(out, "trust_anchors", d.trust_anchors);
    texts(out, "forwarders", d.forwarders);
    out << YAML::Key << "stub_zones" << YAML::Value << YAML::BeginSeq;
    for (const StubZone& z : d.stub_zones) {
        out << YAML::BeginMap;
        text(out, "zone", z.zone);
        texts(out, "servers", z.servers);
        end(out);
    }
    out << YAML::EndSeq;
    duration(out, "timeout", d.timeout);
    size(out, "cache_size", d.cache_size);
    end(out);
}

void policy_entry(Out& out, const PolicyEntry& p) {
    out << YAML::BeginMap;
    texts(out, "match", p.match);
    if (p.tls) bare(out, "tls", danelaw::word(*p.tls));
    if (p.insecure_mx) bare(out, "insecure_mx", dane::word(*p.insecure_mx));
    if (p.on_failure) bare(out, "on_failure", dane::word(*p.on_failure));
    if (p.min_protocol) text(out, "min_protocol", *p.min_protocol);
    if (p.ca_file) text(out, "ca_file", *p.ca_file);
    if (p.mta_sts) flag(out, "mta_sts", *p.mta_sts);
    if (!p.next_hop.empty()) text(out, "next_hop", p.next_hop);
    flag(out, "hold", p.hold);
    text(out, "note", p.note);
    if (p.until) bare(out, "until", day_text(*p.until));
    out << YAML::EndMap;
}

void tls(Out& out, const Settings& s) {
    begin(out, "tls");
    bare(out, "policy", danelaw::word(s.tls.policy));
    bare(out, "insecure_mx", dane::word(s.tls.insecure_mx));
    bare(out, "on_failure", dane::word(s.tls.on_failure));
    text(out, "min_protocol", s.tls.min_protocol);
    text(out, "ca_file", s.tls.ca_file);
    flag(out, "mta_sts", s.tls.mta_sts);
    end(out);
    out << YAML::Key << "policies" << YAML::Value << YAML::BeginSeq;
    for (const PolicyEntry& p : s.policies) policy_entry(out, p);
    out << YAML::EndSeq;
}

void dkim_keys(Out& out, const DkimKey& k) {
    text(out, "domain", k.domain);
    text(out, "selector", k.selector);
    text(out, "private_key", k.private_key);
}

void reports(Out& out, const Settings& s) {
    begin(out, "tlsrpt");
    flag(out, "enabled", s.tlsrpt.enabled);
    text(out, "organization", s.tlsrpt.organization);
    text(out, "contact", s.tlsrpt.contact);
    text(out, "from", s.tlsrpt.from);
    begin(out, "dkim");
    dkim_keys(out, s.tlsrpt.dkim);
    end(out);
    end(out);
    out << YAML::Key << "dkim" << YAML::Value << YAML::BeginSeq;
    for (const DkimKey& k : s.dkim) {
        out << YAML::BeginMap;
        dkim_keys(out, k);
        end(out);
    }
    out << YAML::EndSeq;
}

} // namespace

std::string show(const Settings& s) {
    Out out;
    out << YAML::BeginMap;
    text(out, "hostname", s.hostname);
    text(out, "postmaster", s.postmaster);
    receiving(out, s);
    queue(out, s.queue);
    delivery(out, s.delivery);
    dns(out, s.dns);
    tls(out, s);
    reports(out, s);
    begin(out, "admin");
    text(out, "address", s.admin.address);
    text(out, "token_file", s.admin.token_file);
    end(out);
    begin(out, "log");
    bare(out, "level", word(s.log.level));
    bare(out, "format", s.log.format == LogFormat::json ? "json" : "text");
    text(out, "target", s.log.target);
    end(out);
    end(out);
    return std::string(out.c_str()) + "\n";
}

} // namespace danelaw::config
