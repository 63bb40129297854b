// Does a domain want TLS reports, and where to? Pure. RFC 8460 3; TR-001, TR-002, TR-048; H150.
#pragma once

#include "danelaw/dns/name.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::tlsrpt {

// Where a domain says so: `_smtp._tls.DOMAIN`; nullopt when that is no name (TR-001).
std::optional<dns::Name> record_owner(std::string_view domain);

// One place that takes reports.
struct Destination {
    enum class Kind { mail, https };
    Kind kind = Kind::mail;
    std::string address;      // mail: a mailbox
    std::string host, target; // https: an A-label name, and path with query
    std::uint16_t port = 443;
    std::string text() const; // the URI, without what we ignored
    bool operator==(const Destination&) const = default;
};

// nullopt: not one that a report can go to: another scheme, no mailbox, user names in the URL.
std::optional<Destination> destination(std::string_view uri);

// From all TXT records at `_smtp._tls.DOMAIN`, the strings of each joined: the usable places of the one record there,
// in its order, at most limits::report_destinations. Empty: no reports are wanted.
std::vector<Destination> destinations(const std::vector<std::string>& texts);
// The record itself; nullopt when there is none, or more than one.
std::optional<std::string> find_record(const std::vector<std::string>& texts);

} // namespace danelaw::tlsrpt
