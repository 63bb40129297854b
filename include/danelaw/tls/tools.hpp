// What an operator of a receiving host asks: which TLSA record belongs to a certificate or key, and how to change keys
// without a gap (DANE-144…146). Pure but for OpenSSL's parsing; no network, no clock.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/dns/answer.hpp"
#include "danelaw/dns/name.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::tls {

// What a record can be made from.
struct Subject {
    std::string key;         // DER SubjectPublicKeyInfo
    std::string certificate; // DER; "" when only the key is known
};

// From the content of a file, PEM or DER. Errors: parse.
Result<std::vector<Subject>> subjects_from_certificates(std::string_view file); // leaf first; at least one
Result<Subject> subject_from_private_key(std::string_view file);
Result<Subject> subject_from_public_key(std::string_view file);

// Of a file's certificates the one that records of this usage are about: the first; under usage 2 the first CA.
Subject subject_for(unsigned usage, const std::vector<Subject>& file);

struct GenerateRequest {
    Subject subject;
    std::vector<Subject> chain; // leaf first, as the server sends it; empty when not known
    dns::Name host;
    unsigned port = 25;
    unsigned usage = 3;
    std::optional<unsigned> selector; // default: 1, for usages 0 and 2 it is 0 (DANE-146)
    unsigned matching = 1;
};
struct Generated {
    dns::Tlsa record;
    std::string line; // "_25._tcp.mx.example.org. IN TLSA 3 1 1 0a1b…"
    std::vector<std::string> warnings;
};
// Before it is given out the line is read back and put before the verifier of delivery, together with the chain; where
// only the key is known, with a certificate made for it. errc::tls when it does not pass.
Result<Generated> generate(const GenerateRequest& request);
std::string zone_line(const dns::Name& host, unsigned port, const dns::Tlsa& record);

struct RolloverRequest {
    dns::Name base; // the name that the published records were found at
    unsigned port = 25;
    std::vector<dns::Tlsa> published; // the secure RRset, as it is
    Seconds ttl{0};                   // its TTL
    std::optional<Seconds> next_ttl;  // of the RRset to be published; default: the same
    std::vector<Subject> next;        // the planned chain, leaf first; or the planned key alone
    std::vector<Subject> current;     // the chain served now, leaf first; empty: not known
    Time now{};
};

enum class Coverage {
    covered, // every kind of record published has one for the planned chain: it may be installed
    partly,  // it would pass, but not by every kind of record (RFC 7671 8): publish first
    none,    // it would fail: publish first
};
std::string_view word(Coverage c);

// Where no usable record is published yet and the chain in use is not known, a record for the planned chain alone
// would break mail until that chain is in place: it goes in first.
enum class Order { publish_first, install_first };
std::string_view word(Order o);

struct Rollover {
    Coverage coverage = Coverage::none;
    Order order = Order::publish_first;
    std::vector<dns::Tlsa> current;  // published, for the chain in use (only when it is known)
    std::vector<dns::Tlsa> matching; // published, for the planned chain
    std::vector<dns::Tlsa> add;      // to be published now, beside what is there
    std::vector<dns::Tlsa> drop;     // published, of no use once the planned chain is in place everywhere
    std::vector<dns::Tlsa> idle;     // published, of no use to SMTP (usages 0 and 1 …): never renewed, may go at once
    // The planned chain goes live no earlier than this: two TTLs after the new RRset was published (DANE-145); now when
    // covered.
    Time install_from{};
    std::vector<std::string> warnings;
};
Result<Rollover> plan_rollover(const RolloverRequest& request);

} // namespace danelaw::tls
