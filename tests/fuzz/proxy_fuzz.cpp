// PROXY headers from whoever stands at the door: a header is done at its last octet, never before and never after, and
// a prefix of a good one is never called malformed (SS-093).
#include "danelaw/net/proxy.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using State = danelaw::net::ProxyParse::State;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto whole = danelaw::net::parse_proxy(bytes);
    if (whole.state == State::need_more && whole.need == 0) std::abort();
    if (whole.state == State::need_more && whole.need > 70'000) std::abort();
    if (whole.state != State::done) return 0;
    for (std::size_t n = 0; n < size; ++n) {
        const auto part = danelaw::net::parse_proxy(bytes.substr(0, n));
        if (part.state != State::need_more || part.need > size - n) std::abort();
    }
    return 0;
}
