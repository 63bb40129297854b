// RDATA, wire-format names and trust anchors from anywhere: decoded within bounds or refused; what a name says can be
// said again (DANE-004, DANE-054, DANE-062).
#include "require.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/dns/anchor.hpp"
#include "danelaw/dns/answer.hpp"

#include <cstdint>

namespace {

using namespace danelaw;

void same_again(const dns::Name& name) {
    require(name.text() == lower(name.text()) && name.text().size() <= 1024 && is_ascii(name.text()));
    if (!name.is_host() || name.empty()) return;
    const auto again = dns::Name::from(name.text());
    require(again && *again == name);
    require(dns::tlsa_owner(name, 25).text() == "_25._tcp." + name.text());
    (void)name.unicode();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (const auto mx = dns::parse_mx(bytes)) same_again(mx->exchange);
    if (const auto tlsa = dns::parse_tlsa(bytes)) {
        require(tlsa->data.size() + 3 == size);
        require(tlsa->text().size() >= 6 + 2 * tlsa->data.size());
    }
    if (const auto txt = dns::parse_txt(bytes)) require(txt->size() < size || size == 0);
    require(dns::parse_a(bytes).has_value() == (size == 4) && dns::parse_aaaa(bytes).has_value() == (size == 16));
    if (const auto name = dns::Name::from_wire(bytes)) same_again(*name);
    if (const auto name = dns::Name::from(bytes)) same_again(*name);
    (void)dns::parse_trust_anchor(bytes);
    (void)dns::parse_trust_anchor_file(bytes);
    return 0;
}
