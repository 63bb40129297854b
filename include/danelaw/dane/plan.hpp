// What a destination's DNS facts oblige us to do: an ordered list of hosts, each with its TLS requirement, or a verdict
// when nothing may be tried. Pure and total. Used alike by delivery, `danelaw check` and the tests: there is no second
// implementation (DANE-130). RFC 7672 2.1.2, 2.2, 3.2; RFC 5321 5.1; RFC 7505. The table: decision_table_test.py.
#pragma once

#include "danelaw/base/random.hpp"
#include "danelaw/base/words.hpp"
#include "danelaw/dane/tlsa.hpp"
#include "danelaw/dns/answer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace danelaw::dane {

enum class InsecureMx { dane, encrypt, may }; // tls.insecure_mx (DANE-025)
enum class OnFailure { defer, bounce };
std::string_view word(InsecureMx v);
std::string_view word(OnFailure v);

// The part of the tls: settings that decisions need, after `policies` were applied for this destination.
struct TlsRules {
    TlsPolicy policy = TlsPolicy::dane;
    InsecureMx insecure_mx = InsecureMx::dane;
    OnFailure on_failure = OnFailure::defer;
    std::string min_protocol = "1.2";
    std::string ca_file;
    bool mta_sts = true;
    DigestOrder digests;
};

// Where mail for a domain is to go first: the domain itself, or what the operator put in its place.
struct NextHop {
    enum class Kind {
        mx_lookup, // a domain whose MX RRset is looked up: the recipient's domain, or next_hop without brackets
                   // (DANE-032)
        host,      // next_hop "[host]:port": the sole host, its name trusted because it is local (D-10)
        literal,   // an address literal (DANE-030, D-28), or next_hop "[192.0.2.7]"
    };
    Kind kind = Kind::mx_lookup;
    dns::Name name;                   // the domain or host; empty for a literal
    std::optional<IpAddress> address; // of a literal
    std::uint16_t port = 25;
    bool configured = false; // by the operator: then 5yz from its own set-up defers (SC-092)
};

// -- facts, gathered step by step ------------------------------------------------------------------

struct TlsaLookup {
    dns::Name base;
    dns::Answer<dns::Tlsa> answer;
};

struct HostFacts {
    dns::Name name; // as the MX gave it
    std::uint16_t preference = 0;
    dns::Answer<IpAddress> a, aaaa; // each family judged on its own (DANE-016, D-06)
    // The first alias's own status (a CNAME query at `name`); asked only when needs_alias_check() (DANE-009).
    std::optional<dns::Status> first_alias;
    std::string first_alias_why;
    Seconds first_alias_ttl{0};
    std::vector<TlsaLookup> tlsa; // in the order asked; the last one decides
};

struct Facts {
    NextHop next_hop;
    std::optional<dns::Answer<dns::Mx>> mx; // nullopt for host and literal
    std::vector<HostFacts> hosts;           // in the order of mx_hosts()
};

// -- the steps: what to look up next ----------------------------------------------------------------

// Final for the whole destination: nothing may be tried (rows 1-5 of the table, loops, no hosts).
struct Halt {
    Verdict verdict = Verdict::deferred; // deferred or bounced
    Reason reason = Reason::none;
    std::string text;     // for people, names what and where
    std::string enhanced; // SC-096: "4.7.5"
};

// How we are found in an MX list (SC-007, D-23): by name there, and by address and port whatever led to them.
struct Ourselves {
    std::vector<dns::Name> names;
    std::vector<Endpoint> endpoints; // of our listeners; 0.0.0.0 or :: stands for loopback and all of `local`
    std::vector<IpAddress> local;    // of this machine's interfaces
};
// Is this one of our own listeners?
bool is_ours(const Endpoint& to, const Ourselves& self);

struct MxHost {
    dns::Name name;
    std::uint16_t preference = 0;
};
// The hosts to look up, sorted by preference, equals shuffled by rng, at most limits::hosts; or why there are none.
// Implicit MX, null MX, root targets beside others, invalid targets, our own name. `notes` says what was dropped.
struct MxChoice {
    std::vector<MxHost> hosts;
    std::vector<std::string> notes;
};
// A literal needs no lookup: no hosts. `mx` is null for host and literal; a missing answer is a failed one.
std::variant<MxChoice, Halt> choose_hosts(const NextHop& hop, const dns::Answer<dns::Mx>* mx, const Ourselves& self,
                                          Rng& rng);

// Must the first alias's own status be asked? (addresses insecure through an alias, DANE-009)
bool needs_alias_check(const Facts& facts, const HostFacts& host, const TlsRules& rules);
// The next TLSA base to ask for, or nullopt when the answers in `host.tlsa` decide (DANE-040…048).
std::optional<dns::Name> next_tlsa_base(const Facts& facts, const HostFacts& host, const TlsRules& rules);

// -- the plan ----------------------------------------------------------------------------------------

// What the host's channel must be. One of these per host; the order of enumerators has no meaning.
enum class Requirement {
    none,    // never TLS (policy none)
    may,     // TLS if offered, unauthenticated; clear text otherwise
    encrypt, // TLS, unauthenticated (policy encrypt; unusable TLSA; insecure_mx: encrypt)
    dane,    // TLS, authenticated by `records`
    pkix,    // TLS, web PKI for the host's name (policy verify)
    mta_sts, // the same under an MTA-STS enforce policy (set by policy::overlay)
    skip,    // must not be used: `skip_reason`
};
std::string_view word(Requirement r); // contract: dane|encrypt|mta-sts|pkix|may|none|skip

// "not-queried" is a value too: the log's dns {mx,address,tlsa} words.
enum class Seen { secure, insecure, bogus, error, absent, not_queried };
std::string_view word(Seen s);

struct HostPlan {
    dns::Name name;            // as the MX gave it; for log and MTA-STS matching; empty for a literal
    std::string shown() const; // the name, or "[192.0.2.1]"
    std::uint16_t preference = 0;
    std::uint16_t port = 25;
    std::vector<IpAddress> addresses; // to be dialled in this order, families mixed (SC-006)
    Requirement requirement = Requirement::skip;
    Reason skip_reason = Reason::none;        // why skip
    std::string skip_detail;                  // enhanced status detail where the reason's own does not fit ("7.5")
    std::string why;                          // for people: what decided
    dns::Name tlsa_base;                      // whose TLSA decided, or could not be looked up; empty when none
    std::vector<dns::Tlsa> records;           // effective usable ones, for requirement dane
    std::vector<dns::Tlsa> rrset;             // all of the secure RRset, for the log; unusable ones included
    bool tlsa_unusable = false;               // a secure RRset without usable record (D-04): counted as tlsa-invalid
    std::vector<std::string> reference_names; // accepted in a DANE-TA certificate, base first (DANE-100…103)
    std::string sni;                          // "" for a literal (DANE-110, DANE-111)
    bool secured = false;                     // false where DANE stands behind an insecure MX RRset (DANE-028, D-29)
    Seen mx = Seen::not_queried, address = Seen::not_queried, tlsa = Seen::not_queried;
    std::string ca_file; // for pkix and mta_sts
    std::string min_protocol = "1.2";
    // Was a host's TLSA looked up and found? Then clear text and another's judgement are out (DANE-121, DANE-128).
    bool tlsa_in_force() const { return requirement == Requirement::dane || tlsa_unusable || encrypt_by_tlsa; }
    bool skip_is_final = false; // a skip that time won't change (set by policy::with_requiretls)
    // The MTA-STS policy that governs this host; DANE's own hosts have none (MS-061). Set by policy::with_sts.
    enum class Sts { none, enforce, testing };
    Sts sts = Sts::none;
    bool sts_matches = false;            // its name is one of the policy's mx
    bool encrypt_by_tlsa = false;        // usable TLSA, weakened to encrypt by insecure_mx: encrypt (rows 30-32)
    bool known_securely = false;         // secure MX, or explicit/implicit host with secure lookup: REQUIRETLS (SC-120)
    bool clear_after_failed_tls = false; // `may`: a later attempt may go out in clear text (DANE-125, D-30)
};

struct Plan {
    NextHop next_hop;
    std::vector<HostPlan> hosts; // in the order to try; `skip` ones included, for record and `check`
    std::optional<Halt> halt;    // nothing may be tried
    Seen mx = Seen::not_queried;
    bool null_mx = false;
    // Is a host proven to have no address lost for good? Not behind a configured relay (SC-092), nor where hosts were
    // dropped because we are a backup for better ones (SC-007): then it defers.
    bool absence_is_final = true;
    std::vector<std::string> notes;
    Seconds ttl{0}; // how long these facts may be used: least TTL of all lookups (DANE-012)
};

Plan plan(const Facts& facts, const TlsRules& rules, const Ourselves& self);
// Sets `halt` when no host may be tried, after something (an MTA-STS policy) turned hosts into `skip`. plan() did it
// once.
void settle(Plan& plan, const TlsRules& rules);

// What to say when every host was skipped or failed: the gravest reason, among equals the best-preferred host's (D-32,
// DANE-124, SC-009, SC-093). `failures` holds one reason per host tried or skipped, in order of preference.
struct HostFailure {
    dns::Name host;
    Reason reason = Reason::none;
    std::string text;
    std::string detail;     // enhanced status detail when the reason's own does not fit
    bool permanent = false; // proven absence of any address, 5xx-greeting that bounces …
    // Did policy ask for this TLS? Under `may` a broken handshake is no failed policy: on_failure does not apply to it.
    enum class Demand { policy, opportunistic };
    Demand demand = Demand::policy;
    int code = 0;           // of the reply that refused, 0 when no server spoke
    std::string enhanced{}; // that reply's own status
};
HostFailure skipped(const Plan& plan, const HostPlan& host); // of a host with requirement skip
Halt conclude(const std::vector<HostFailure>& failures, const TlsRules& rules);

} // namespace danelaw::dane
