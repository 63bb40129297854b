#include "config/config_support.hpp"
#include "danelaw/config/load.hpp"

#include <gtest/gtest.h>

namespace danelaw::config {
namespace {

using namespace std::chrono_literals;

const Time now = *parse_rfc3339("2026-11-25T12:00:00.000Z");
const std::string anchor = "test. IN DS 12345 13 2 " + std::string(64, 'a');
// Independent of the machine: a name and an anchor of our own.
const std::string base =
    "hostname: relay.example.com\ndns: {trust_anchors_file: \"\", trust_anchors: [\"" + anchor + "\"]}\n";

std::string problems(const std::string& yaml) {
    std::string all;
    for (const Problem& p : parse(base + yaml, "F", now).problems) {
        Problem shifted = p;
        shifted.line -= 2; // lines of `base`
        all += text("F", shifted) + "\n";
    }
    return all;
}

TEST(Load, AnEmptyFileIsAWorkingLoopbackRelay) {
    const Folder folder;
    const std::string anchors =
        folder.write("root.key", ". 172800 IN DS 20326 8 2 " + std::string(64, 'e') + " ; root\n");
    const Loaded loaded = parse("dns: {trust_anchors_file: " + anchors + "}", "F", now);
    EXPECT_TRUE(loaded.valid());
    const Settings& s = loaded.settings;
    EXPECT_FALSE(s.hostname.empty());
    EXPECT_EQ(s.postmaster, "postmaster@" + s.hostname);
    ASSERT_EQ(s.listeners.size(), 1u);
    EXPECT_EQ(s.listeners[0].address, "127.0.0.1:2525");
    ASSERT_EQ(s.relay.allow.size(), 2u);
    EXPECT_EQ(s.relay.allow[0].text(), "127.0.0.0/8");
    EXPECT_EQ(s.queue.retry, (std::vector<Millis>{1min, 5min, 15min, 30min, 1h, 2h, 4h})); // DQ-013, DQ-014
    EXPECT_EQ(s.queue.lifetime, 120h);
    EXPECT_EQ(s.tls.policy, TlsPolicy::dane);
    EXPECT_TRUE(s.tls.mta_sts);
    EXPECT_EQ(s.delivery.data_timeout, 10min); // D-22
}

TEST(Load, EveryKeyCanBeSet) {
    const Folder f;
    f.certificate("a");
    f.ed25519_key("dkim");
    const std::string users = f.write("users", "# who\nalice:$6$salt$hash\n"), token = f.write("token", "s3cret\n");
    const Loaded loaded = parse(R"(
hostname: Relay.Example.COM
postmaster: pm@example.com
listeners:
  - {address: "0.0.0.0:587", tls: required, certificate: )" +
                                    f.path + "/a.crt, private_key: " + f.path + R"(/a.key, auth: required,
     proxy_protocol: required, bare_newline: reject, add_missing_headers: off}
  - {address: "unix:/run/danelaw/smtp.sock", auth: optional}
relay: {allow: [10.0.0.0/8, 192.0.2.1], users_file: )" +
                                    users + ", client_ca: " + f.path + R"(/a.crt}
limits: {message_size: 10MiB, recipients_per_message: 100, connections: 5, connections_per_client: 3, command_timeout: 1m, min_free_disk: 1000000GiB}
queue: {store: sqlite, path: /var/q, retry: [1s, 500ms], lifetime: 1h, delay_warning: off}
delivery: {port: 26, connections: 1, connections_per_destination: 2, messages_per_connection: 3, idle_reuse: 0s, connect_timeout: 1s,
  handshake_timeout: 2s, command_timeout: 3s, data_timeout: 4s, drain_timeout: 5s, address_family: ipv6, source_addresses: ["::2"]}
dns: {trust_anchors_file: "", trust_anchors: [")" +
                                    anchor + R"("], forwarders: ["127.0.0.1@5353"],
  stub_zones: [{zone: test, servers: ["127.0.2.53@5353", "::1"]}], timeout: 3s, cache_size: 4MiB}
tls: {policy: dane-only, insecure_mx: encrypt, on_failure: bounce, min_protocol: "1.3", ca_file: )" +
                                    f.path + R"(/a.crt, mta_sts: no}
policies:
  - {match: [Example.com, ".bücher.example", "*"], tls: verify, ca_file: )" +
                                    f.path + R"(/a.crt, next_hop: "[smtp.example.org]:587", hold: yes,
     note: "why", until: 2027-01-31, insecure_mx: may, on_failure: defer, min_protocol: 1.2, mta_sts: on}
tlsrpt: {enabled: false, organization: O, contact: c@example.com, from: r@example.com, dkim: {domain: example.com, selector: s, private_key: )" +
                                    f.path + R"(/dkim.key}}
dkim: [{domain: example.com, selector: s2, private_key: )" +
                                    f.path + R"(/dkim.key}]
admin: {address: "0.0.0.0:8025", token_file: )" +
                                    token + R"(}
log: {level: debug, format: json, target: )" +
                                    f.path + R"(/log}
)",
                                "F", now);
    for (const Problem& p : loaded.problems) ADD_FAILURE() << text("F", p);
    const Settings& s = loaded.settings;
    EXPECT_EQ(s.hostname, "relay.example.com");
    EXPECT_EQ(s.listeners[0].tls, ListenerTls::required);
    EXPECT_EQ(s.listeners[0].auth, AuthMode::required);
    EXPECT_TRUE(s.listeners[0].proxy_protocol);
    EXPECT_FALSE(s.listeners[0].add_missing_headers);
    EXPECT_EQ(s.relay.allow[1].text(), "192.0.2.1/32");
    EXPECT_EQ(s.queue.retry, (std::vector<Millis>{1s, 500ms}));
    EXPECT_FALSE(s.queue.delay_warning);
    EXPECT_EQ(s.delivery.address_family, AddressFamily::ipv6);
    EXPECT_EQ(s.dns.trust_anchors_file, "");
    EXPECT_EQ(s.dns.stub_zones[0].servers.size(), 2u);
    EXPECT_EQ(s.tls.policy, TlsPolicy::dane_only);
    EXPECT_EQ(s.tls.min_protocol, "1.3");
    EXPECT_FALSE(s.tls.mta_sts);
    const PolicyEntry& p = s.policies[0];
    EXPECT_EQ(p.match, (std::vector<std::string>{"example.com", ".xn--bcher-kva.example", "*"}));
    EXPECT_EQ(p.tls, TlsPolicy::verify);
    EXPECT_TRUE(p.hold);
    EXPECT_EQ(p.until, std::chrono::year(2027) / 1 / 31);
    EXPECT_EQ(s.log.format, LogFormat::json);

    // `config show` prints what loads again to the same.
    const std::string shown = show(s);
    const Loaded again = parse(shown, "F", now);
    for (const Problem& q : again.problems) ADD_FAILURE() << text("F", q);
    EXPECT_EQ(show(again.settings), shown);
}

struct Bad {
    const char* yaml;
    const char* want;
};
class EachMistake : public testing::TestWithParam<Bad> {};

TEST_P(EachMistake, IsNamedWithItsPlace) {
    EXPECT_EQ(problems(GetParam().yaml), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    Load, EachMistake,
    testing::Values(
        // -- shape
        Bad{"relai: {}", "F:1:1: unknown key relai; did you mean relay?\n"},
        Bad{"tls:\n  polcy: dane", "F:2:3: unknown key tls.polcy; did you mean policy?\n"},
        Bad{"zzzzzz: 1", "F:1:1: unknown key zzzzzz\n"},
        Bad{"\"zz\\nzzzz\": 1", "F:1:1: unknown key zz\\x0azzzz\n"}, // one line a problem
        Bad{"tls: {policy: may, policy: dane}", "F:1:20: the key tls.policy stands twice\n"},
        Bad{"tls: dane", "F:1:6: tls must be a mapping of keys to values\n"}, Bad{"limits:", ""},
        Bad{"queue: {path: [a]}", "F:1:15: queue.path must be a single value\n"},
        Bad{"queue:\n  path:", "F:2:3: queue.path needs a value\n"},
        Bad{"tls: [", "F:1:1: not valid YAML: end of sequence flow not found\n"},
        // -- kinds of value
        Bad{"limits: {message_size: huge}",
            "F:1:24: limits.message_size must be a size such as 64KiB or 50MiB, not 'huge'\n"},
        Bad{"limits: {message_size: 0}", "F:1:24: limits.message_size must be at least 1KiB\n"},
        Bad{"limits: {connections: 0}", "F:1:23: limits.connections must be a number from 1 to 100000, not '0'\n"},
        Bad{"delivery: {port: 65536}", "F:1:18: delivery.port must be a number from 1 to 65535, not '65536'\n"},
        Bad{"delivery: {idle_reuse: 5}",
            "F:1:24: delivery.idle_reuse must be a duration such as 500ms, 30s, 5m, 4h or 5d, not '5'\n"},
        Bad{"delivery: {connect_timeout: 0s}", "F:1:29: delivery.connect_timeout must be at least 10ms\n"},
        Bad{"delivery: {address_family: ip4}",
            "F:1:28: delivery.address_family must be one of any, ipv4, ipv6; not 'ip4' (did you mean ipv4?)\n"},
        Bad{"delivery: {source_addresses: [host]}",
            "F:1:31: delivery.source_addresses[0]: 'host' is not an IP address\n"},
        Bad{"tls: {mta_sts: perhaps}", "F:1:16: tls.mta_sts must be on or off, not 'perhaps'\n"},
        Bad{"tls: {policy: dane_only}", "F:1:15: tls.policy must be one of none, may, encrypt, dane, dane-only, "
                                        "verify; not 'dane_only' (did you mean "
                                        "dane-only?)\n"},
        Bad{"tls: {min_protocol: 1.1}",
            "F:1:21: tls.min_protocol must be one of 1.2, 1.3; not '1.1' (did you mean 1.2?)\n"},
        Bad{"queue: {retry: [1m, soon]}", "F:1:21: queue.retry[1]: 'soon' is not a duration such as 30s, 5m or 1h\n"},
        Bad{"queue: {retry: []}", "F:1:16: queue.retry must hold at least one duration\n"},
        Bad{"queue: {delay_warning: never}",
            "F:1:24: queue.delay_warning: 'never' is not a duration such as 4h, or off\n"},
        Bad{"relay: {allow: [10.0.0.1/8]}",
            "F:1:17: relay.allow[0]: '10.0.0.1/8' is not an address or a prefix with zero host bits\n"},
        Bad{"hostname: a b", "F:1:1: the key hostname stands twice\n"},
        Bad{"postmaster: me", "F:1:13: postmaster must be a mail address\n"},
        // -- meaning
        Bad{"listeners: []", "F:1:12: listeners must name at least one\n"},
        Bad{"listeners: [{address: \"localhost:25\"}]",
            "F:1:23: 'localhost:25' must be ADDRESS:PORT, [IPv6]:PORT or unix:PATH\n"},
        Bad{"listeners:\n  - {tls: starttls}",
            "F:2:11: listeners[0].certificate is needed for tls\nF:2:11: listeners[0].private_key is needed for tls\n"},
        Bad{"listeners: [{auth: required}]", "F:1:20: auth needs relay.users_file\nF:1:20: auth needs tls\n"},
        Bad{"listeners: [{}, {}]", "F:1:17: two listeners have the address 127.0.0.1:2525\n"},
        // SS-091
        Bad{"listeners: [{address: \"0.0.0.0:25\"}]\nrelay: {allow: [0.0.0.0/0]}",
            "F:2:17: 0.0.0.0/0 with a listener beyond loopback is an open relay\n"},
        Bad{"relay: {allow: [\"::/0\"]}", ""},
        Bad{"listeners: [{address: \"[::]:25\"}]\nrelay: {allow: [64.0.0.0/2]}",
            "F:2:17: warning: 64.0.0.0/2 lets a large part of the Internet relay\n"},
        Bad{"relay: {users_file: /nowhere/users}", "F:1:21: can't read /nowhere/users\n"},
        Bad{"queue: {store: postgres}", "F:1:16: queue.store: postgres needs queue.postgres\n"},
        Bad{"queue: {store: rocksdb}", "F:1:16: warning: queue.store: rocksdb is now called sqlite\n"},
        Bad{"queue: {path: /dev/null}", "F:1:15: /dev/null is not a directory\n"},
        Bad{"tls: {ca_file: /nowhere/ca}", "F:1:16: can't read /nowhere/ca\n"},
        Bad{"admin: {address: \"0.0.0.0:8025\"}", "F:1:18: an admin address beyond loopback needs admin.token_file\n"},
        Bad{"admin: {token_file: /nowhere/t}", "F:1:21: /nowhere/t can't be read or is empty\n"},
        Bad{"tlsrpt: {from: r@example.com}",
            "F:1:16: warning: without tlsrpt.dkim no report is sent by mail (RFC 8460 3)\n"},
        Bad{"tlsrpt: {dkim: {domain: example.com}}", "F:1:16: tlsrpt.dkim needs domain, selector and private_key\n"},
        Bad{"tlsrpt: {contact: nobody}", "F:1:19: tlsrpt.contact must be a mail address\n"},
        Bad{"log: {target: /nowhere/log}", "F:1:15: the directory /nowhere does not exist\n"},
        Bad{"log: {target: syslog}", "F:1:15: log.target must be stderr, journald or the path of a file\n"},
        // -- policies (D-27)
        Bad{"policies: [{tls: may}]",
            "F:1:12: policies[0] needs match\nF:1:12: policies[0].match must name at least one domain\n"},
        Bad{"policies: [{match: a..b}]",
            "F:1:20: policies[0].match: 'a..b' is not a domain, nor .domain for all below it\n"},
        Bad{"policies: [{match: [a.test], until: 2026-13-01}]",
            "F:1:37: policies[0].until: '2026-13-01' is not a day such as 2027-01-31\n"},
        Bad{"policies: [{match: [a.test], until: 2026-11-24}]",
            "F:1:37: warning: policies[0] ended on its day and is not in force\n"},
        Bad{"policies: [{match: [a.test], until: 2026-11-25}]", ""},
        Bad{"policies: [{match: [a.test], policy: may}]", "F:1:30: unknown key policies[0].policy\n"}));

struct BadAnchors {
    const char* dns;
    const char* want;
};
class Anchors : public testing::TestWithParam<BadAnchors> {};
TEST_P(Anchors, AreChecked) {
    std::string all;
    for (const Problem& p : parse(std::string("hostname: r.example.com\n") + GetParam().dns, "F", now).problems) {
        all += text("F", p) + "\n";
    }
    EXPECT_EQ(all, GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(
    Load, Anchors,
    testing::Values(
        BadAnchors{"dns: {trust_anchors_file: \"\"}", "F:2:27: no trust anchor at all: DANE would be off in silence\n"},
        BadAnchors{"dns: {trust_anchors_file: \"\"}\ntls: {policy: may}", ""},
        BadAnchors{"dns: {trust_anchors_file: \"\"}\ntls: {policy: may}\npolicies: [{match: a.test, tls: dane-only}]",
                   "F:2:27: no trust anchor at all: DANE would be off in silence\n"},
        BadAnchors{"dns: {trust_anchors_file: /nowhere/root.key}",
                   "F:2:27: trust anchors: can't read /nowhere/root.key\n"},
        BadAnchors{"dns: {trust_anchors_file: /dev/null}", "F:2:27: trust anchors: /dev/null holds no trust anchor\n"},
        // DANE-003, DANE-010: an anchor added for one zone must not silence all others.
        BadAnchors{"dns: {trust_anchors: [\"corp.test. IN DS 12345 13 2 "
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}",
                   "F:2:22: warning: no trust anchor of the root: DANE is off for every domain that dns.trust_anchors "
                   "does not "
                   "cover. Add trust_anchors_file: /usr/share/dns/root.key, or trust_anchors_file: \"\" if it is meant "
                   "so\n"},
        BadAnchors{"dns: {trust_anchors: [\". IN DS 12345 13 2 "
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]}",
                   ""},
        BadAnchors{"dns: {trust_anchors: [\"test. IN DS 1 13 2 abcd\"]}",
                   "F:2:23: dns.trust_anchors[0]: DS: the digest has a wrong length for its type\n"},
        BadAnchors{"dns: {trust_anchors: [\"test. IN TXT x\"]}",
                   "F:2:23: dns.trust_anchors[0]: 'TXT' is neither DS nor DNSKEY\n"},
        BadAnchors{"dns: {trust_anchors: [\"test. IN DNSKEY 0 3 13 AAAAAA==\"]}",
                   "F:2:23: dns.trust_anchors[0]: can't be used: not a zone key\n"},
        BadAnchors{"dns: {trust_anchors: [nonsense]}", "F:2:23: dns.trust_anchors[0]: neither DS nor DNSKEY\n"}));

// H: a broken anchor file is named with its line.
TEST(Load, AnchorFileProblemsNameTheLine) {
    const Folder f;
    const std::string file = f.write("root.key", "; comment\n. IN DS 20326 8 2 (\n  beef )\n");
    const Loaded loaded = parse("hostname: r.example.com\ndns: {trust_anchors_file: " + file + "}", "F", now);
    ASSERT_EQ(loaded.problems.size(), 1u);
    EXPECT_EQ(loaded.problems[0].message,
              "trust anchors: " + file + ": line 3: DS: the digest has a wrong length for its type");
}

TEST(Load, CertificateAndKeyMustFitTogether) {
    const Folder f;
    f.certificate("a");
    f.certificate("b");
    EXPECT_EQ(
        problems("listeners: [{tls: starttls, certificate: " + f.path + "/a.crt, private_key: " + f.path + "/b.key}]"),
        "F:1:42: the key in " + f.path + "/b.key is not that of the first certificate in " + f.path + "/a.crt\n");
    EXPECT_EQ(
        problems("listeners: [{tls: starttls, certificate: " + f.path + "/a.key, private_key: " + f.path + "/a.key}]"),
        "F:1:42: " + f.path + "/a.key holds no PEM certificate\n");
}

TEST(Load, DkimKeys) { // TR-044, RFC 8301 3.2
    const Folder f;
    f.certificate("ec");
    f.ed25519_key("ed");
    const auto with = [&](const std::string& key, const std::string& domain) {
        return problems("tlsrpt: {from: r@sub.example.com, dkim: {domain: " + domain +
                        ", selector: s, private_key: " + f.path + "/" + key + ".key}}");
    };
    EXPECT_EQ(with("ed", "example.com"), "");
    EXPECT_NE(with("ec", "example.com").find("DKIM knows RSA and Ed25519 keys only"), std::string::npos);
    EXPECT_NE(with("ed", "example.org").find("must be the domain of tlsrpt.from"), std::string::npos);
}

TEST(Load, UsersFileLines) {
    const Folder f;
    const std::string file = f.write("users", "alice:$6$a$b\nbob\n");
    EXPECT_EQ(problems("relay: {users_file: " + file + "}"), "F:1:21: " + file + ":2: must read name:crypt(3) hash\n");
}

TEST(Load, AFileThatIsNotThere) {
    const Loaded loaded = load("/nowhere/danelaw.yaml", now);
    EXPECT_FALSE(loaded.valid());
    EXPECT_EQ(text("/nowhere/danelaw.yaml", loaded.problems.at(0)), "/nowhere/danelaw.yaml:1:1: can't read the file");
}

TEST(Show, HidesTheDatabasePassword) {
    Settings s;
    s.queue.postgres = "host=db password='a b' dbname=q";
    EXPECT_NE(show(s).find("host=db password=*** dbname=q"), std::string::npos);
}

} // namespace
} // namespace danelaw::config
