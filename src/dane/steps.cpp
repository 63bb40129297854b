// What a host's answers amount to, and which lookup comes next. RFC 7672 2.2.2, 2.2.3.
#include "facts_priv.hpp"

#include <algorithm>

namespace danelaw::dane {

bool judges_by_dane(const TlsRules& rules) {
    return rules.policy == TlsPolicy::dane || rules.policy == TlsPolicy::dane_only;
}

bool behind_insecure_mx(const Facts& facts) {
    return facts.mx && facts.mx->status == dns::Status::insecure && !facts.mx->records.empty();
}

bool asks_tlsa(const Facts& facts, const TlsRules& rules) {
    if (!judges_by_dane(rules) || facts.next_hop.kind == NextHop::Kind::literal) return false;
    if (!behind_insecure_mx(facts)) return true;
    return rules.policy == TlsPolicy::dane && rules.insecure_mx != InsecureMx::may; // rows 12, 14
}

namespace {

bool has(const dns::Answer<IpAddress>& family) {
    return family.answered() && !family.records.empty();
}
bool has_secure(const dns::Answer<IpAddress>& family) {
    return has(family) && family.status == dns::Status::secure;
}

AddressClass through_alias(const HostFacts& host) {
    if (!host.first_alias) return AddressClass::unchecked;
    switch (*host.first_alias) {
    case dns::Status::secure: return AddressClass::alias;
    case dns::Status::insecure: return AddressClass::insecure;
    case dns::Status::bogus: return AddressClass::alias_bogus;
    case dns::Status::error: return AddressClass::alias_error;
    }
    return AddressClass::alias_error;
}

// RFC 7672 2.2.3: with every link secure the expanded name first, then the original; behind an insecure end only
// the original; never a name in the middle (DANE-043…046).
std::vector<dns::Name> tlsa_candidates(const HostFacts& host) {
    switch (classify(host)) {
    case AddressClass::secure: {
        const auto& family = has_secure(host.a) ? host.a : host.aaaa;
        if (!family.aliased || family.canonical == host.name) return {host.name};
        return {family.canonical, host.name};
    }
    case AddressClass::alias: return {host.name};
    case AddressClass::unchecked:
    case AddressClass::insecure: // DANE-042: such zones' servers often fail on TLSA, and none could be secure
    case AddressClass::alias_bogus:
    case AddressClass::alias_error:
    case AddressClass::bogus:
    case AddressClass::error:
    case AddressClass::absent: return {};
    }
    return {};
}

TlsaClass judge(const dns::Answer<dns::Tlsa>& answer, const TlsRules& rules) {
    switch (answer.status) {
    case dns::Status::bogus: return TlsaClass::bogus;
    case dns::Status::error: return TlsaClass::error;
    case dns::Status::insecure: return answer.records.empty() ? TlsaClass::absent : TlsaClass::insecure; // DANE-051
    case dns::Status::secure: break;
    }
    if (answer.records.empty()) return TlsaClass::absent;
    return effective(answer.records, rules.digests).empty() ? TlsaClass::unusable : TlsaClass::usable;
}

} // namespace

AddressClass classify(const HostFacts& host) {
    if (has_secure(host.a) || has_secure(host.aaaa)) return AddressClass::secure;
    if (!has(host.a) && !has(host.aaaa)) {
        for (const auto* family : {&host.a, &host.aaaa})
            if (family->status == dns::Status::bogus) return AddressClass::bogus;
        return host.a.failed() || host.aaaa.failed() ? AddressClass::error : AddressClass::absent;
    }
    const bool aliased = (has(host.a) && host.a.aliased) || (has(host.aaaa) && host.aaaa.aliased);
    return aliased ? through_alias(host) : AddressClass::insecure;
}

bool needs_alias_check(const Facts& facts, const HostFacts& host, const TlsRules& rules) {
    return asks_tlsa(facts, rules) && classify(host) == AddressClass::unchecked;
}

TlsaFinding find_tlsa(const Facts& facts, const HostFacts& host, const TlsRules& rules) {
    if (!asks_tlsa(facts, rules)) return {};
    TlsaFinding last;
    for (const auto& base : tlsa_candidates(host)) {
        const auto lookup = std::ranges::find(host.tlsa, base, &TlsaLookup::base);
        if (lookup == host.tlsa.end()) return {TlsaClass::undecided, base, nullptr};
        last = {judge(lookup->answer, rules), base, &*lookup};
        // Only a denial or an insecure RRset moves on; a failure decides (DANE-047), as does any secure RRset
        // (DANE-048).
        if (last.found != TlsaClass::absent && last.found != TlsaClass::insecure) return last;
    }
    return last;
}

std::optional<dns::Name> next_tlsa_base(const Facts& facts, const HostFacts& host, const TlsRules& rules) {
    auto finding = find_tlsa(facts, host, rules);
    if (finding.found != TlsaClass::undecided) return std::nullopt;
    return std::move(finding.base);
}

// An unspecified address would dial ourselves, a multicast one everybody; a link-local one needs a scope (H86).
bool dialable(const IpAddress& address) {
    const bool multicast = address.v6 ? address.octets[0] == 0xff : address.octets[0] >= 224;
    const bool this_network = !address.v6 && address.octets[0] == 0;
    return !multicast && !this_network && !address.is_unspecified() && !(address.v6 && address.is_link_local());
}

std::vector<IpAddress> addresses_of(const HostFacts& host, Families families) {
    std::vector<IpAddress> six, four, mixed;
    const auto take = [&](const dns::Answer<IpAddress>& answer, std::vector<IpAddress>& into) {
        if (families == Families::all ? !has(answer) : !has_secure(answer)) return;
        for (const auto& address : answer.records)
            if (dialable(address) && std::ranges::find(into, address) == into.end()) into.push_back(address);
    };
    take(host.aaaa, six);
    take(host.a, four);
    for (std::size_t i = 0; i < std::max(six.size(), four.size()); ++i) { // SC-006
        if (i < six.size()) mixed.push_back(six[i]);
        if (i < four.size()) mixed.push_back(four[i]);
    }
    return mixed;
}

} // namespace danelaw::dane
