// Certificates from an untrusted server: parsing, verification, facts and hints stay in bounds, and a pass always names
// its record. Input: certificates in DER, each behind its length in two octets; the records are made from the input as
// well.
#include "danelaw/base/text.hpp"
#include "danelaw/tls/client.hpp"
#include "danelaw/tls/tools.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace danelaw;

std::vector<std::string> pieces(std::string_view input) {
    std::vector<std::string> out;
    while (input.size() > 2 && out.size() < 4) {
        const auto size =
            static_cast<std::size_t>(static_cast<std::uint8_t>(input[0]) * 256 + static_cast<std::uint8_t>(input[1]));
        input.remove_prefix(2);
        out.emplace_back(input.substr(0, size));
        input.remove_prefix(std::min(size, input.size()));
    }
    return out;
}

std::string pem(const std::vector<std::string>& chain) {
    std::string text;
    for (const std::string& der : chain)
        text += "-----BEGIN CERTIFICATE-----\n" + base64(der) + "\n-----END CERTIFICATE-----\n";
    return text;
}

void check(const tls::OfflineRequest& request) {
    const auto outcome = tls::verify_offline(request);
    if (!outcome) return;
    if (outcome->passed == (outcome->level == Level::none)) std::abort();
    if (outcome->passed == (outcome->reason != Reason::none)) std::abort();
    if (!outcome->matched) return;
    if (std::ranges::find(request.records, outcome->matched->record) == request.records.end()) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<std::string> chain = pieces({reinterpret_cast<const char*>(data), size});
    if (chain.empty()) return 0;
    tls::OfflineRequest request;
    request.names = {"mx.ex.test", "ex.test"};
    request.chain_pem = pem(chain);
    request.at = Time(Seconds(1'800'000'000));
    request.records = {{2, 0, 0, chain.back()}};
    check(request);
    request.records = {{3, 0, 0, chain.front()}};
    check(request);
    if (const auto subjects = tls::subjects_from_certificates(request.chain_pem)) {
        request.records = {{2, 1, 0, subjects->back().key}, {3, 1, 1, std::string(32, 'x')}};
        check(request);
    }
    return 0;
}
