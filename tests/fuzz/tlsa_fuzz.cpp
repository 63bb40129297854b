// TLSA RDATA from the network: decoding never fails badly, and what we call usable the TLS library takes, and nothing
// else (DANE-060, 062).
#include "danelaw/dane/tlsa.hpp"
#include "danelaw/dns/answer.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace {

using namespace danelaw;

bool library_takes(const dns::Tlsa& r) {
    static SSL_CTX* ctx = [] {
        SSL_CTX* made = SSL_CTX_new(TLS_client_method());
        SSL_CTX_dane_enable(made);
        return made;
    }();
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(ctx), SSL_free);
    SSL_dane_enable(ssl.get(), "mx.example.test");
    const auto* data = reinterpret_cast<const unsigned char*>(r.data.data());
    const bool taken = SSL_dane_tlsa_add(ssl.get(), r.usage, r.selector, r.matching, data, r.data.size()) == 1;
    ERR_clear_error();
    return taken;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto record = dns::parse_tlsa({reinterpret_cast<const char*>(data), size});
    if (!record) return 0;
    const bool usable = dane::usable(*record);
    if (usable != (record->usage >= 2 && library_takes(*record))) std::abort();
    dns::Tlsa other = *record;
    other.matching ^= 3;
    const auto effective = dane::effective({*record, other, *record});
    if (usable && effective.empty()) std::abort();
    for (const dns::Tlsa& r : effective)
        if (!dane::usable(r)) std::abort();
    return 0;
}
