// Every bound on what outside bytes may cost, with its reason. Nothing elsewhere invents one.
#pragma once

#include <chrono>
#include <cstddef>

namespace danelaw::limits {

// SMTP server (SS-020, SS-021)
inline constexpr std::size_t command_line = 4096;          // RFC 5321 4.5.3.1.4 512, RFC 3461 5.4 1036, with room
inline constexpr std::size_t auth_line = 12288;            // RFC 4954 4
inline constexpr std::size_t local_part = 64 * 4;          // RFC 5321 64; lenient to UTF-8 and old software
inline constexpr std::size_t domain = 255;                 // RFC 5321 4.5.3.1.2
inline constexpr std::size_t path = 1024;                  // RFC 5321 256; lenient
inline constexpr std::size_t envid = 100;                  // RFC 3461 4.4
inline constexpr std::size_t orcpt = 500;                  // RFC 3461 4.2
inline constexpr std::size_t proxy_body = 4096;            // SS-093: addresses and TLVs of a PROXY v2 header
inline constexpr int useless_commands = 20;                // SS-016
inline constexpr int failed_auth = 10;                     // SS-016
inline constexpr std::size_t replies_held = 512 * 1024;    // SS-063: pipelined replies kept while input lasts
inline constexpr std::size_t data_octets_per_second = 100; // SS-026: below it, after command_timeout, data is cut off
inline constexpr std::chrono::seconds store_latency{30};   // SS-029: a message stored for longer stops further MAIL

// SMTP client (SC-029)
inline constexpr std::size_t reply_line = 8 * 1024;
inline constexpr std::size_t reply_total = 64 * 1024;
inline constexpr std::size_t reply_lines = 200;
inline constexpr std::size_t recipients_per_transaction = 100; // SC-011

// Message
inline constexpr std::size_t chunk = 64 * 1024;            // content is stored and streamed in pieces of this size
inline constexpr int received_headers = 100;               // D-23, RFC 5321 6.3
inline constexpr std::size_t header_section = 1024 * 1024; // what is looked at for header facts
inline constexpr std::size_t dsn_returned = 64 * 1024;     // DQ-052: whole message up to this, else its header

// DNS (DANE-055)
inline constexpr std::size_t hosts = 10;         // MX hosts of one destination
inline constexpr std::size_t addresses = 20;     // addresses of one destination
inline constexpr std::size_t tlsa_records = 100; // of one RRset

// MTA-STS (MS-014)
inline constexpr std::size_t sts_body = 64 * 1024;

// TLS reports (TR-048)
inline constexpr std::size_t report_destinations = 5; // of one record
inline constexpr std::size_t report_details = 1000;   // failure groups told in one report; all are in its totals
inline constexpr std::size_t report_groups =
    2000; // kept of one destination a day; what is beyond loses its particulars

} // namespace danelaw::limits
