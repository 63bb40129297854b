// One host's row of the decision table: its requirement and everything the handshake needs to know. Pure.
// RFC 7672 2.2, 3.1, 3.2, 8.1. The row numbers in comments are those of decision_table_test.py.
#include "host_plan_priv.hpp"

#include "danelaw/base/limits.hpp"

#include <algorithm>

namespace danelaw::dane {

namespace {

Seen seen(const dns::Status status) {
    switch (status) {
    case dns::Status::secure: return Seen::secure;
    case dns::Status::insecure: return Seen::insecure;
    case dns::Status::bogus: return Seen::bogus;
    case dns::Status::error: return Seen::error;
    }
    return Seen::error;
}

Seen seen_address(AddressClass c) {
    switch (c) {
    case AddressClass::secure: return Seen::secure;
    case AddressClass::alias:
    case AddressClass::unchecked:
    case AddressClass::insecure: return Seen::insecure;
    case AddressClass::alias_bogus:
    case AddressClass::bogus: return Seen::bogus;
    case AddressClass::alias_error:
    case AddressClass::error: return Seen::error;
    case AddressClass::absent: return Seen::absent;
    }
    return Seen::error;
}

Seen seen_tlsa(TlsaClass c) {
    switch (c) {
    case TlsaClass::not_asked: return Seen::not_queried;
    case TlsaClass::bogus: return Seen::bogus;
    case TlsaClass::undecided:
    case TlsaClass::error: return Seen::error;
    case TlsaClass::absent: return Seen::absent;
    case TlsaClass::insecure: return Seen::insecure;
    case TlsaClass::unusable:
    case TlsaClass::usable: return Seen::secure;
    }
    return Seen::error;
}

void skip(HostPlan& host, Reason reason, std::string why, std::string_view detail = {}) {
    host.requirement = Requirement::skip;
    host.skip_reason = reason;
    host.skip_detail = detail;
    host.why = std::move(why);
    host.addresses.clear(); // what must not be used is not offered either (DANE-052)
}

std::string because(const std::string& why) {
    return why.empty() ? "" : ": " + why;
}

std::string address_failure(const HostFacts& facts, AddressClass c) {
    if (c == AddressClass::alias_bogus || c == AddressClass::alias_error)
        return "the alias at " + facts.name.text() + " could not be judged" + because(facts.first_alias_why);
    const auto failed = c == AddressClass::bogus ? dns::Status::bogus : dns::Status::error;
    const auto& family = facts.a.status == failed ? facts.a : facts.aaaa;
    const std::string what = c == AddressClass::bogus ? " failed validation" : " failed";
    return std::string(&family == &facts.a ? "A" : "AAAA") + " lookup of " + facts.name.text() + what +
           because(family.why);
}

// Rows 9-11. True: the host is decided.
bool skipped_by_address(HostPlan& host, const HostFacts& facts, AddressClass c) {
    switch (c) {
    case AddressClass::alias_bogus:
    case AddressClass::bogus: skip(host, Reason::dnssec_invalid, address_failure(facts, c)); return true;
    case AddressClass::alias_error:
    case AddressClass::error: skip(host, Reason::dns_error, address_failure(facts, c)); return true;
    case AddressClass::absent: skip(host, Reason::no_usable_host, facts.name.text() + " has no address"); return true;
    case AddressClass::secure:
    case AddressClass::alias:
    case AddressClass::unchecked:
    case AddressClass::insecure: break;
    }
    if (!host.addresses.empty()) return false;
    skip(host, Reason::no_usable_host, facts.name.text() + " has no address that can be dialled");
    return true;
}

// DANE-100…103. The base always; the next hop's own names only where DNSSEC vouches that this host serves them.
std::vector<std::string> reference_names(const Facts& facts, const dns::Name& base) {
    std::vector<std::string> names{base.text()};
    const auto add = [&](const dns::Name& name) {
        if (!name.empty() && std::ranges::find(names, name.text()) == names.end()) names.push_back(name.text());
    };
    const bool has_mx = facts.mx && !facts.mx->records.empty();
    if (!has_mx) {
        add(facts.next_hop.name); // DANE-102: differs only where the base is its expansion
    } else if (facts.mx->status == dns::Status::secure) {
        add(facts.next_hop.name); // DANE-101
        add(facts.mx->canonical);
    }
    return names;
}

// A secure RRset was found: rows 26-40.
void under_tlsa(HostPlan& host, const Facts& facts, const HostFacts& of, const TlsaFinding& tlsa,
                const TlsRules& rules) {
    const bool insecure_mx = behind_insecure_mx(facts);
    host.rrset = tlsa.lookup->answer.records;
    host.sni = tlsa.base.text(); // DANE-110
    // DANE-016, D-06: no address from an insecure RRset escapes the TLSA; behind a secure alias all are insecure.
    if (classify(of) == AddressClass::secure) host.addresses = addresses_of(of, Families::secure_only);
    if (tlsa.found == TlsaClass::unusable) { // DANE-064, DANE-066
        host.tlsa_unusable = true;
        host.requirement = Requirement::encrypt; // rows 27-29
        host.why = "secure TLSA records, none usable: TLS without authentication";
        if (rules.policy == TlsPolicy::dane_only)
            skip(host, Reason::tlsa_invalid, "no usable TLSA record at " + tlsa.base.text()); // row 26
    } else if (insecure_mx && rules.insecure_mx == InsecureMx::encrypt) {
        host.encrypt_by_tlsa = true;
        host.requirement = Requirement::encrypt; // rows 30-32
        host.why = "secure TLSA behind an insecure MX RRset, insecure_mx is encrypt";
    } else {
        host.requirement = Requirement::dane; // rows 33-40
        host.records = effective(host.rrset, rules.digests);
        // A bound after agility only: fewer records can make a delivery fail, never make it less secure.
        if (host.records.size() > limits::tlsa_records) host.records.resize(limits::tlsa_records);
        host.reference_names = reference_names(facts, tlsa.base);
        host.secured = !insecure_mx; // rows 39, 40; D-29
        host.why = "secure TLSA at " + tlsa.base.text();
    }
    if (host.requirement == Requirement::skip || !host.addresses.empty()) return;
    skip(host, Reason::no_usable_host, of.name.text() + " has no secure address that can be dialled");
}

void opportunistic(HostPlan& host, std::string why) {
    host.requirement = Requirement::may;
    host.clear_after_failed_tls = true; // DANE-125, D-30
    host.why = std::move(why);
}

std::string without_dane(const HostPlan& host, const Facts& facts, const TlsRules& rules) {
    if (host.tlsa == Seen::absent) return "no TLSA record";
    if (host.tlsa == Seen::insecure) return "TLSA records are not signed";
    if (behind_insecure_mx(facts) && rules.insecure_mx == InsecureMx::may)
        return "insecure MX RRset, insecure_mx is may";
    return "address is not signed";
}

void judge_by_dane(HostPlan& host, const Facts& facts, const HostFacts& of, const TlsRules& rules) {
    const bool only = rules.policy == TlsPolicy::dane_only;
    if (only && behind_insecure_mx(facts)) // row 12, DANE-026
        return skip(host, Reason::dane_required, "the MX RRset of " + facts.next_hop.name.text() + " is not signed");
    const auto tlsa = find_tlsa(facts, of, rules);
    host.tlsa = seen_tlsa(tlsa.found);
    if (tlsa.lookup && tlsa.found != TlsaClass::absent && tlsa.found != TlsaClass::insecure) host.tlsa_base = tlsa.base;
    switch (tlsa.found) {
    case TlsaClass::bogus: // row 20: no connection (DANE-052)
        return skip(host, Reason::dnssec_invalid,
                    "TLSA of " + tlsa.base.text() + " failed validation" + because(tlsa.lookup->answer.why), "7.5");
    case TlsaClass::error: // row 21
        return skip(host, Reason::dns_error,
                    "TLSA lookup of " + tlsa.base.text() + " failed" + because(tlsa.lookup->answer.why), "7.5");
    case TlsaClass::undecided: // fail closed: facts were not gathered to the end
        return skip(host, Reason::dns_error, "TLSA of " + tlsa.base.text() + " was not looked up", "7.5");
    case TlsaClass::unusable:
    case TlsaClass::usable: return under_tlsa(host, facts, of, tlsa, rules);
    case TlsaClass::not_asked:
        // Fail closed likewise: an alias whose first link nobody asked for might hide TLSA records (DANE-009).
        if (needs_alias_check(facts, of, rules))
            return skip(host, Reason::dns_error, "the alias at " + of.name.text() + " was not judged");
        break;
    case TlsaClass::absent:
    case TlsaClass::insecure: break;
    }
    const std::string why = without_dane(host, facts, rules);
    if (only) return skip(host, Reason::dane_required, why); // rows 13, 22
    opportunistic(host, why);                                // rows 14-19, 23-25
}

void judge_by_policy(HostPlan& host, const Facts& facts, const HostFacts& of, const TlsRules& rules) {
    switch (rules.policy) {
    case TlsPolicy::none: host.requirement = Requirement::none; break;
    case TlsPolicy::may: opportunistic(host, "policy may"); return;
    case TlsPolicy::encrypt: host.requirement = Requirement::encrypt; break;
    case TlsPolicy::verify: host.requirement = Requirement::pkix; break;
    case TlsPolicy::dane:
    case TlsPolicy::dane_only: judge_by_dane(host, facts, of, rules); return;
    }
    host.why = "policy " + std::string(word(rules.policy));
}

// RFC 8689 4.2.1: by a secure MX RRset, or as the explicit or implicit host, found by a secure lookup (SC-120).
bool known_securely(const Facts& facts, AddressClass address) {
    if (facts.mx && facts.mx->status != dns::Status::secure) return false;
    if (facts.mx && !facts.mx->records.empty()) return true;
    return address == AddressClass::secure || address == AddressClass::alias;
}

} // namespace

Seen seen_mx(const std::optional<dns::Answer<dns::Mx>>& mx) {
    if (!mx) return Seen::not_queried;
    return mx->absent() ? Seen::absent : seen(mx->status);
}

HostPlan plan_host(const Facts& facts, const HostFacts& of, const TlsRules& rules) {
    const AddressClass address = classify(of);
    HostPlan host;
    host.name = of.name;
    host.preference = of.preference;
    host.port = facts.next_hop.port;
    host.mx = seen_mx(facts.mx);
    host.address = seen_address(address);
    host.addresses = addresses_of(of, Families::all);
    host.min_protocol = rules.min_protocol;
    host.ca_file = rules.ca_file;
    host.known_securely = known_securely(facts, address);
    if (!IpAddress::parse(of.name.text())) host.sni = of.name.text(); // DANE-111; RFC 6066 3 forbids digits (H89)
    if (skipped_by_address(host, of, address)) return host;
    judge_by_policy(host, facts, of, rules);
    if (host.requirement == Requirement::pkix) {
        host.reference_names = {of.name.text()};
        host.secured = host.known_securely;
    }
    return host;
}

// DANE does not apply to an address (DANE-030, D-28); rows 6-8.
HostPlan plan_literal(const NextHop& hop, const TlsRules& rules) {
    HostPlan host;
    host.port = hop.port;
    if (hop.address) host.addresses = {*hop.address};
    host.min_protocol = rules.min_protocol;
    host.ca_file = rules.ca_file;
    switch (rules.policy) {
    case TlsPolicy::none: host.requirement = Requirement::none; break;
    case TlsPolicy::may:
    case TlsPolicy::dane: opportunistic(host, "an address literal: DANE does not apply"); break;
    case TlsPolicy::encrypt: host.requirement = Requirement::encrypt; break;
    case TlsPolicy::dane_only: skip(host, Reason::dane_required, "an address literal: DANE does not apply"); break;
    case TlsPolicy::verify: skip(host, Reason::validation_failure, "an address literal has no name to verify"); break;
    }
    if (host.requirement != Requirement::skip && (host.addresses.empty() || !dialable(host.addresses.front())))
        skip(host, Reason::no_usable_host, "this address can't be dialled");
    return host;
}

} // namespace danelaw::dane
