// The configuration as typed, validated values: names are the YAML keys' (contract). Defaults stand here, once.
// Where each one is read: config/load.hpp.
#pragma once

#include "danelaw/base/ip.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/base/words.hpp"
#include "danelaw/dane/plan.hpp"
#include "danelaw/policy/destination.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::config {

enum class ListenerTls { off, starttls, required, implicit };
enum class AuthMode { off, optional, required };
enum class BareNewline { normalize, reject };
enum class StoreKind { sqlite, postgres };
enum class AddressFamily { any, ipv4, ipv6 };
enum class LogLevel { debug, info, warn, error };
enum class LogFormat { text, json };

struct ListenerSettings {
    std::string address = "127.0.0.1:2525"; // host:port, or unix:PATH
    ListenerTls tls = ListenerTls::off;
    std::string certificate, private_key;
    AuthMode auth = AuthMode::off;
    bool proxy_protocol = false;
    BareNewline bare_newline = BareNewline::normalize;
    bool add_missing_headers = true;
};

struct RelaySettings {
    std::vector<IpPrefix> allow; // default: loopback (load.cpp)
    std::string users_file, client_ca;
};

struct LimitSettings {
    Bytes message_size = 50ull << 20;
    std::uint32_t recipients_per_message = 1000;
    std::uint32_t connections = 1000;
    std::uint32_t connections_per_client = 100;
    Millis command_timeout = std::chrono::minutes(5);
    Bytes min_free_disk = 256ull << 20;
};

struct QueueSettings {
    StoreKind store = StoreKind::sqlite;
    std::string path = "/var/lib/danelaw/queue";
    std::string postgres;
    std::vector<Millis> retry; // default 1m 5m 15m 30m 1h 2h 4h
    Millis lifetime = std::chrono::hours(24 * 5);
    std::optional<Millis> delay_warning = std::chrono::hours(4); // nullopt: off
};

struct DeliverySettings {
    std::uint16_t port = 25;
    std::uint32_t connections = 500;
    std::uint32_t connections_per_destination = 20;
    std::uint32_t messages_per_connection = 100;
    Millis idle_reuse = std::chrono::seconds(5);
    Millis connect_timeout = std::chrono::seconds(30);
    Millis handshake_timeout = std::chrono::seconds(30);
    Millis command_timeout = std::chrono::minutes(5);
    Millis data_timeout = std::chrono::minutes(10);
    Millis drain_timeout = std::chrono::seconds(20);
    AddressFamily address_family = AddressFamily::any;
    std::vector<IpAddress> source_addresses;
};

struct StubZone {
    std::string zone;
    std::vector<std::string> servers;
};

struct DnsSettings {
    std::string trust_anchors_file; // effective: the default file only when neither anchor key is set
    std::vector<std::string> trust_anchors;
    std::vector<std::string> forwarders;
    std::vector<StubZone> stub_zones;
    Millis timeout = std::chrono::seconds(20);
    Bytes cache_size = 64ull << 20;
};

using policy::PolicyEntry; // an entry of `policies`

struct DkimKey {
    std::string domain, selector, private_key;
};

struct TlsrptSettings {
    bool enabled = true;
    std::string organization, contact, from;
    DkimKey dkim;
};

struct AdminSettings {
    std::string address = "unix:/run/danelaw/admin.sock";
    std::string token_file;
};

struct LogSettings {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    std::string target = "stderr"; // stderr | journald | a file
};

struct Settings {
    std::string file; // where it was read from
    std::string hostname, postmaster;
    std::vector<ListenerSettings> listeners;
    RelaySettings relay;
    LimitSettings limits;
    QueueSettings queue;
    DeliverySettings delivery;
    DnsSettings dns;
    dane::TlsRules tls; // tls: of the file
    std::vector<PolicyEntry> policies;
    TlsrptSettings tlsrpt;
    std::vector<DkimKey> dkim;
    AdminSettings admin;
    LogSettings log;
};

} // namespace danelaw::config
