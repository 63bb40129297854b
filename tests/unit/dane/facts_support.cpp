#include "facts_support.hpp"

#include "danelaw/base/random.hpp"
#include "danelaw/base/result.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace danelaw::dane::testing {

dns::Name name(std::string_view text) {
    auto made = dns::Name::from(text);
    DANELAW_CHECK(made);
    return *made;
}
IpAddress ip(std::string_view text) {
    auto made = IpAddress::parse(text);
    DANELAW_CHECK(made);
    return *made;
}

dns::Tlsa tlsa(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching, char fill) {
    const std::size_t length = matching == 1 ? 32 : matching == 2 ? 64 : 10;
    return {usage, selector, matching, std::string(length, fill)};
}

const std::string& certificate_der() {
    static const std::string der = [] {
        EVP_PKEY* key = EVP_EC_gen("P-256");
        X509* cert = X509_new();
        X509_set_version(cert, X509_VERSION_3);
        X509_gmtime_adj(X509_getm_notBefore(cert), 0);
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
        X509_set_pubkey(cert, key);
        X509_sign(cert, key, EVP_sha256());
        unsigned char* out = nullptr;
        const int length = i2d_X509(cert, &out);
        std::string made(reinterpret_cast<char*>(out), static_cast<std::size_t>(length));
        OPENSSL_free(out);
        X509_free(cert);
        EVP_PKEY_free(key);
        return made;
    }();
    return der;
}

std::string public_key_der() {
    const auto* at = reinterpret_cast<const unsigned char*>(certificate_der().data());
    X509* cert = d2i_X509(nullptr, &at, static_cast<long>(certificate_der().size()));
    unsigned char* out = nullptr;
    const int length = i2d_PUBKEY(X509_get0_pubkey(cert), &out);
    std::string made(reinterpret_cast<char*>(out), static_cast<std::size_t>(length));
    OPENSSL_free(out);
    X509_free(cert);
    return made;
}

std::string_view word(MxCase v) {
    switch (v) {
    case MxCase::direct: return "direct";
    case MxCase::absent: return "absent";
    case MxCase::secure: return "secure";
    case MxCase::insecure: return "insecure";
    case MxCase::bogus: return "bogus";
    case MxCase::error: return "error";
    case MxCase::nxdomain: return "nxdomain";
    case MxCase::nullmx: return "nullmx";
    case MxCase::literal: return "literal";
    }
    return "";
}
std::string_view word(AddressCase v) {
    switch (v) {
    case AddressCase::secure: return "secure";
    case AddressCase::alias: return "alias";
    case AddressCase::insecure: return "insecure";
    case AddressCase::alias_bogus: return "alias-bogus";
    case AddressCase::alias_error: return "alias-error";
    case AddressCase::bogus: return "bogus";
    case AddressCase::error: return "error";
    case AddressCase::absent: return "absent";
    }
    return "";
}
std::string_view word(TlsaCase v) {
    switch (v) {
    case TlsaCase::usable: return "usable";
    case TlsaCase::unusable: return "unusable";
    case TlsaCase::absent: return "absent";
    case TlsaCase::insecure: return "insecure";
    case TlsaCase::bogus: return "bogus";
    case TlsaCase::error: return "error";
    }
    return "";
}

namespace {

using dns::Status;

std::optional<dns::Answer<dns::Mx>> mx_answer(MxCase v) {
    const dns::Mx one{10, name("mx.example.org"), true};
    switch (v) {
    case MxCase::direct:
    case MxCase::literal: return std::nullopt;
    case MxCase::absent: return answer<dns::Mx>(Status::secure, {}, "example.org");
    case MxCase::secure: return answer<dns::Mx>(Status::secure, {one}, "example.org");
    case MxCase::insecure: return answer<dns::Mx>(Status::insecure, {one}, "example.org");
    case MxCase::bogus: return failed<dns::Mx>(Status::bogus);
    case MxCase::error: return failed<dns::Mx>(Status::error);
    case MxCase::nxdomain: {
        auto a = answer<dns::Mx>(Status::secure, {}, "example.org");
        a.absence = dns::Absence::nxdomain;
        return a;
    }
    case MxCase::nullmx: return answer<dns::Mx>(Status::secure, {dns::Mx{0, dns::Name{}, true}}, "example.org");
    }
    return std::nullopt;
}

dns::Answer<IpAddress> address_answer(AddressCase v, std::string_view host) {
    const IpAddress one = ip("192.0.2.1");
    switch (v) {
    case AddressCase::secure: return answer(Status::secure, std::vector{one}, host);
    case AddressCase::insecure: return answer(Status::insecure, std::vector{one}, host);
    case AddressCase::alias:
    case AddressCase::alias_bogus:
    case AddressCase::alias_error: return aliased(answer(Status::insecure, std::vector{one}), "node.example.net");
    case AddressCase::bogus: return failed<IpAddress>(Status::bogus);
    case AddressCase::error: return failed<IpAddress>(Status::error);
    case AddressCase::absent: return answer<IpAddress>(Status::secure, {}, host);
    }
    return {};
}

Status first_link(AddressCase v) {
    return v == AddressCase::alias_bogus   ? Status::bogus
           : v == AddressCase::alias_error ? Status::error
                                           : Status::secure;
}

dns::Answer<dns::Tlsa> tlsa_answer(const Scenario& s) {
    const auto records = [&](std::vector<dns::Tlsa> otherwise) { return s.records.empty() ? otherwise : s.records; };
    switch (s.tlsa) {
    case TlsaCase::usable: return answer(Status::secure, records({tlsa(3, 1, 1)}));
    case TlsaCase::unusable: return answer(Status::secure, records({tlsa(1, 1, 1)}));
    case TlsaCase::absent: return answer<dns::Tlsa>(Status::secure, {});
    case TlsaCase::insecure: return answer(Status::insecure, records({tlsa(3, 1, 1)}));
    case TlsaCase::bogus: return failed<dns::Tlsa>(Status::bogus);
    case TlsaCase::error: return failed<dns::Tlsa>(Status::error);
    }
    return {};
}

NextHop next_hop(MxCase v) {
    NextHop hop;
    if (v == MxCase::literal) {
        hop.kind = NextHop::Kind::literal;
        hop.address = ip("192.0.2.1");
    } else if (v == MxCase::direct) {
        hop.kind = NextHop::Kind::host;
        hop.name = name("mx.example.org");
        hop.configured = true;
    } else {
        hop.name = name("example.org");
    }
    return hop;
}

} // namespace

Gathered gather(const Scenario& scenario, const TlsRules& rules) {
    Gathered out;
    Facts& facts = out.facts;
    facts.next_hop = next_hop(scenario.mx);
    facts.mx = mx_answer(scenario.mx);
    SeededRng rng(1);
    auto chosen = choose_hosts(facts.next_hop, facts.mx ? &*facts.mx : nullptr, {}, rng);
    if (std::holds_alternative<Halt>(chosen)) return out;
    for (const auto& [host_name, preference] : std::get<MxChoice>(chosen).hosts) {
        HostFacts host;
        host.name = host_name;
        host.preference = preference;
        host.a = address_answer(scenario.address, host_name.text());
        host.aaaa = answer<IpAddress>(host.a.answered() ? host.a.status : Status::secure, {}, host_name.text());
        if (needs_alias_check(facts, host, rules)) {
            out.alias_asked = true;
            host.first_alias = first_link(scenario.address);
            host.first_alias_ttl = Seconds{300};
        }
        while (auto base = next_tlsa_base(facts, host, rules)) {
            out.bases_asked.push_back(*base);
            host.tlsa.push_back({*base, tlsa_answer(scenario)});
        }
        facts.hosts.push_back(std::move(host));
    }
    return out;
}

Plan plan_of(const Scenario& scenario, const TlsRules& rules) {
    return plan(gather(scenario, rules).facts, rules, {});
}

std::string verdict_of(const Plan& plan) {
    if (plan.halt)
        return std::string(plan.halt->verdict == Verdict::bounced ? "bounce " : "defer ") +
               std::string(danelaw::word(plan.halt->reason));
    const auto& host = plan.hosts.front();
    std::string out(word(host.requirement));
    if (host.requirement == Requirement::skip) return out + " " + std::string(danelaw::word(host.skip_reason));
    if (host.requirement == Requirement::dane && !host.secured) out += " unsecured";
    return out;
}

} // namespace danelaw::dane::testing
