// Facts for tests: the good case, and the columns of the decision table as enums. Lookups are "made" by the product's
// own steps, so that a test sees which would be asked.
#pragma once

#include "danelaw/dane/plan.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace danelaw::dane::testing {

dns::Name name(std::string_view text);
IpAddress ip(std::string_view text);
dns::Tlsa tlsa(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching, char fill = 'x');
const std::string& certificate_der(); // one self-signed certificate
std::string public_key_der();         // its key

template <class T> dns::Answer<T> answer(dns::Status status, std::vector<T> records, std::string_view at = "") {
    dns::Answer<T> a;
    a.status = status;
    a.absence = records.empty() ? dns::Absence::nodata : dns::Absence::none;
    if (status == dns::Status::bogus || status == dns::Status::error) a.absence = dns::Absence::none;
    a.records = std::move(records);
    if (!at.empty()) a.canonical = name(at);
    a.ttl = Seconds{300};
    return a;
}
template <class T> dns::Answer<T> aliased(dns::Answer<T> a, std::string_view to) {
    a.aliased = true;
    a.canonical = name(to);
    return a;
}
template <class T> dns::Answer<T> failed(dns::Status status) {
    auto a = answer<T>(status, {});
    a.ttl = Seconds{0};
    a.why = status == dns::Status::bogus ? "signature expired" : "SERVFAIL";
    return a;
}

enum class MxCase { direct, absent, secure, insecure, bogus, error, nxdomain, nullmx, literal };
enum class AddressCase { secure, alias, insecure, alias_bogus, alias_error, bogus, error, absent };
enum class TlsaCase { usable, unusable, absent, insecure, bogus, error };
std::string_view word(MxCase v);
std::string_view word(AddressCase v);
std::string_view word(TlsaCase v);

// What DNS holds; one host mx.example.org of example.org (the domain itself when there is no MX).
struct Scenario {
    MxCase mx = MxCase::secure;
    AddressCase address = AddressCase::secure;
    TlsaCase tlsa = TlsaCase::usable;
    std::vector<dns::Tlsa> records; // instead of one usable (or unusable) record
};

struct Gathered {
    Facts facts;
    bool alias_asked = false;
    std::vector<dns::Name> bases_asked;
};
Gathered gather(const Scenario& scenario, const TlsRules& rules);
Plan plan_of(const Scenario& scenario, const TlsRules& rules);

// "dane", "dane unsecured", "may", "defer dnssec-invalid", "bounce no-usable-host", "skip …"
std::string verdict_of(const Plan& plan);

} // namespace danelaw::dane::testing
