// What several values, or the files that they name, must satisfy together; and defaults that depend on others.
// SS-091 (never an open relay), DANE-010 (DANE is never off in silence), TR-044.
#include "reader.hpp"

#include "danelaw/config/tokens.hpp"
#include "danelaw/dns/anchor.hpp"
#include "danelaw/dns/name.hpp"

#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

namespace danelaw::config {
namespace {

using namespace std::chrono_literals;

constexpr const char* default_anchors_file = "/usr/share/dns/root.key";

std::string system_hostname() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0) return "localhost";
    if (std::string_view(name).find('.') != std::string_view::npos) return name;
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    addrinfo* found = nullptr;
    std::string full = name;
    if (::getaddrinfo(name, nullptr, &hints, &found) == 0 && found != nullptr) {
        if (found->ai_canonname != nullptr && found->ai_canonname[0] != '\0') full = found->ai_canonname;
        ::freeaddrinfo(found);
    }
    return full;
}

bool is_mailbox(const std::string& s) {
    const std::size_t at = s.rfind('@');
    if (at == std::string::npos || at == 0) return false;
    const bool blank = std::ranges::any_of(s, [](unsigned char c) { return c <= 0x20 || c == '<' || c == '>'; });
    const std::string domain = s.substr(at + 1);
    return !blank && (domain.starts_with('[') ? domain.ends_with(']') : dns::Name::from(domain).has_value());
}

void check_names(Settings& s, Report& report) {
    const bool given = !s.hostname.empty();
    if (!given) s.hostname = system_hostname();
    const auto name = dns::Name::from(s.hostname);
    if (!name || !name->is_host()) {
        report.error("hostname", "hostname must be a host name, not '" + printable(s.hostname, 64) + "'");
    } else {
        s.hostname = name->text();
        if (s.hostname.find('.') == std::string::npos) {
            report.warning("hostname", "hostname " + s.hostname + " is not fully qualified" +
                                           (given ? "" : "; set it, since the system's name is not") +
                                           ": many servers refuse it in EHLO");
        }
    }
    if (s.postmaster.empty()) s.postmaster = "postmaster@" + s.hostname;
    if (!is_mailbox(s.postmaster)) report.error("postmaster", "postmaster must be a mail address");
}

void check_listener(const ListenerSettings& l, const Settings& s, const std::string& path, Report& report) {
    const ListenAddress address = listen_address(l.address);
    if (!address.problem.empty()) report.error(path + ".address", address.problem);
    if (l.tls != ListenerTls::off) {
        if (l.certificate.empty()) report.error(path + ".tls", path + ".certificate is needed for tls");
        if (l.private_key.empty()) report.error(path + ".tls", path + ".private_key is needed for tls");
    }
    if (!l.certificate.empty() && !l.private_key.empty()) {
        const std::string wrong = key_pair_problem(l.certificate, l.private_key);
        if (!wrong.empty()) report.error(path + ".certificate", wrong);
    }
    if (l.auth != AuthMode::off) {
        if (s.relay.users_file.empty()) report.error(path + ".auth", "auth needs relay.users_file");
        // SS-080: never in clear text; a unix socket is not a network.
        if (l.tls == ListenerTls::off && !address.unix_socket) report.error(path + ".auth", "auth needs tls");
    }
}

void check_listeners(Settings& s, Report& report) {
    if (!report.given("listeners")) {
        s.listeners.emplace_back();
    } else if (s.listeners.empty()) {
        report.error("listeners", "listeners must name at least one");
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < s.listeners.size(); ++i) {
        const std::string path = "listeners[" + std::to_string(i) + "]";
        check_listener(s.listeners[i], s, path, report);
        if (!seen.insert(s.listeners[i].address).second) {
            report.error(path + ".address", "two listeners have the address " + s.listeners[i].address);
        }
    }
}

// SS-091: everybody may relay only where nobody but this machine can connect.
void check_open_relay(const Settings& s, Report& report) {
    const bool reachable =
        std::ranges::any_of(s.listeners, [](const auto& l) { return !listen_address(l.address).loopback; });
    for (std::size_t i = 0; i < s.relay.allow.size() && reachable; ++i) {
        const IpPrefix& p = s.relay.allow[i];
        const std::string path = "relay.allow[" + std::to_string(i) + "]";
        if (p.length == 0) {
            report.error(path, p.text() + " with a listener beyond loopback is an open relay");
        } else if (p.length < (p.base.v6 ? 16u : 8u)) {
            report.warning(path, p.text() + " lets a large part of the Internet relay");
        }
    }
}

void check_relay(Settings& s, Report& report) {
    if (!report.given("relay.allow")) s.relay.allow = {*IpPrefix::parse("127.0.0.0/8"), *IpPrefix::parse("::1/128")};
    check_open_relay(s, report);
    if (!s.relay.users_file.empty()) {
        const std::string wrong = users_file_problem(s.relay.users_file);
        if (!wrong.empty()) report.error("relay.users_file", wrong);
    }
    if (!s.relay.client_ca.empty()) {
        const std::string wrong = ca_file_problem(s.relay.client_ca);
        if (!wrong.empty()) report.error("relay.client_ca", wrong);
    }
}

void check_queue(Settings& s, Report& report) {
    QueueSettings& q = s.queue;
    if (!report.given("queue.retry")) q.retry = {1min, 5min, 15min, 30min, 1h, 2h, 4h};
    if (q.retry.empty() && !report.given("queue.retry[0]"))
        report.error("queue.retry", "queue.retry must hold at least one duration");
    if (q.store == StoreKind::postgres && q.postgres.empty()) {
        report.error("queue.store", "queue.store: postgres needs queue.postgres");
    }
    std::error_code ignored;
    if (q.path.empty()) {
        report.error("queue.path", "queue.path must name a directory");
    } else if (std::filesystem::exists(q.path, ignored) && !std::filesystem::is_directory(q.path, ignored)) {
        report.error("queue.path", q.path + " is not a directory");
    }
}

bool wants_dane(const Settings& s) {
    const auto dane = [](TlsPolicy p) { return p == TlsPolicy::dane || p == TlsPolicy::dane_only; };
    return dane(s.tls.policy) ||
           std::ranges::any_of(s.policies, [&](const PolicyEntry& p) { return p.tls && dane(*p.tls); });
}

// Anchors of one's own, meant to stand beside the root's, take its place (contract): then nothing else is signed any
// more.
bool only_islands(const DnsSettings& d) {
    return !d.trust_anchors.empty() && std::ranges::none_of(d.trust_anchors, [](const std::string& text) {
        const auto anchor = dns::parse_trust_anchor(text);
        return !anchor || !anchor->unusable.empty() || anchor->zone.empty(); // what is wrong is told as such
    });
}

// The default file counts only where neither anchor key is set; "" means none.
void check_anchors(Settings& s, Report& report) {
    DnsSettings& d = s.dns;
    if (!report.given("dns.trust_anchors_file") && d.trust_anchors.empty()) d.trust_anchors_file = default_anchors_file;
    if (!d.trust_anchors_file.empty()) {
        const std::string wrong = anchor_file_problem(d.trust_anchors_file);
        if (!wrong.empty()) report.error("dns.trust_anchors_file", "trust anchors: " + wrong);
    } else if (d.trust_anchors.empty() && wants_dane(s)) {
        report.error("dns.trust_anchors_file", "no trust anchor at all: DANE would be off in silence");
    } else if (!report.given("dns.trust_anchors_file") && only_islands(d) && wants_dane(s)) {
        report.warning(
            "dns.trust_anchors",
            "no trust anchor of the root: DANE is off for every domain that dns.trust_anchors does not cover. "
            "Add trust_anchors_file: " +
                std::string(default_anchors_file) + ", or trust_anchors_file: \"\" if it is meant so");
    }
}

void check_ca(const std::string& path, const std::string& file, Report& report) {
    if (file.empty()) return;
    if (const std::string wrong = ca_file_problem(file); !wrong.empty()) report.error(path, wrong);
}

void check_policies(const Settings& s, Report& report, Time now) {
    const std::chrono::year_month_day today{std::chrono::floor<std::chrono::days>(now)};
    for (std::size_t i = 0; i < s.policies.size(); ++i) {
        const PolicyEntry& p = s.policies[i];
        const std::string path = "policies[" + std::to_string(i) + "]";
        if (p.match.empty()) report.error(path + ".match", path + ".match must name at least one domain");
        if (!p.next_hop.empty()) {
            const auto hop = policy::next_hop(p.next_hop, s.delivery.port);
            if (!hop) report.error(path + ".next_hop", path + ".next_hop: " + hop.error().detail);
        }
        if (p.ca_file) check_ca(path + ".ca_file", *p.ca_file, report);
        if (p.until && *p.until < today) {
            report.warning(path + ".until", path + " ended on its day and is not in force"); // D-27
        }
    }
}

void check_dkim(const DkimKey& k, const std::string& path, Report& report) {
    if (k.domain.empty() || k.selector.empty() || k.private_key.empty()) {
        report.error(path, path + " needs domain, selector and private_key");
        return;
    }
    if (!dns::Name::from(k.domain)) report.error(path + ".domain", path + ".domain is not a domain");
    if (!dns::Name::from(k.selector)) report.error(path + ".selector", path + ".selector is not a DNS label");
    const std::string wrong = dkim_key_problem(k.private_key);
    if (!wrong.empty()) report.error(path + ".private_key", wrong);
}

void check_reports(const Settings& s, Report& report) {
    const TlsrptSettings& t = s.tlsrpt;
    const bool signs = !t.dkim.domain.empty() || !t.dkim.selector.empty() || !t.dkim.private_key.empty();
    if (signs) check_dkim(t.dkim, "tlsrpt.dkim", report);
    for (std::size_t i = 0; i < s.dkim.size(); ++i) check_dkim(s.dkim[i], "dkim[" + std::to_string(i) + "]", report);
    if (!t.contact.empty() && !is_mailbox(t.contact))
        report.error("tlsrpt.contact", "tlsrpt.contact must be a mail address");
    if (t.from.empty()) return;
    const auto from = dns::Name::from(std::string_view(t.from).substr(t.from.rfind('@') + 1));
    const auto key = dns::Name::from(t.dkim.domain);
    if (!is_mailbox(t.from)) {
        report.error("tlsrpt.from", "tlsrpt.from must be a mail address");
    } else if (signs && from && key && !from->ends_with(*key)) { // TR-044
        report.error("tlsrpt.dkim.domain", "tlsrpt.dkim.domain must be the domain of tlsrpt.from, or a parent of it");
    }
    if (!signs) report.warning("tlsrpt.from", "without tlsrpt.dkim no report is sent by mail (RFC 8460 3)");
}

void check_admin(const Settings& s, Report& report) {
    const ListenAddress address = listen_address(s.admin.address);
    if (!address.problem.empty()) report.error("admin.address", address.problem);
    if (s.admin.token_file.empty()) {
        if (!address.loopback) report.error("admin.address", "an admin address beyond loopback needs admin.token_file");
        return;
    }
    if (const auto tokens = read_tokens(s.admin.token_file); !tokens) {
        report.error("admin.token_file", tokens.error().detail);
    }
}

void check_log(const Settings& s, Report& report) {
    const std::string& target = s.log.target;
    if (target == "stderr" || target == "journald") return;
    const std::filesystem::path parent = std::filesystem::path(target).parent_path();
    std::error_code ignored;
    if (target.find('/') == std::string::npos) {
        report.error("log.target", "log.target must be stderr, journald or the path of a file");
    } else if (!std::filesystem::is_directory(parent, ignored)) {
        report.error("log.target", "the directory " + parent.string() + " does not exist");
    }
}

} // namespace

ListenAddress listen_address(const std::string& text) {
    if (text.starts_with("unix:")) {
        // sockaddr_un has room for 107 octets
        const std::string path = text.substr(5);
        if (!path.starts_with('/')) return {"a unix socket needs an absolute path: unix:/run/…", true, true};
        if (path.size() > 107) return {"the path of a unix socket has at most 107 octets", true, true};
        return {"", true, true};
    }
    const auto endpoint = Endpoint::parse(text);
    if (!endpoint)
        return {"'" + printable(text, 64) + "' must be ADDRESS:PORT, [IPv6]:PORT or unix:PATH", false, false};
    return {"", endpoint->address.is_loopback(), false};
}

void check(Settings& s, Report& report, Time now) {
    check_names(s, report);
    check_listeners(s, report);
    check_relay(s, report);
    check_queue(s, report);
    check_anchors(s, report);
    check_ca("tls.ca_file", s.tls.ca_file, report);
    check_policies(s, report, now);
    check_reports(s, report);
    check_admin(s, report);
    check_log(s, report);
}

} // namespace danelaw::config
