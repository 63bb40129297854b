// DATA in any split: the end is where CRLF.CRLF stands, what comes out is canonical, and it survives the way out and in
// again (SS-040, SS-041, SC-036, SC-037).
#include "require.hpp"

#include "danelaw/smtp/data_in.hpp"
#include "danelaw/smtp/data_out.hpp"

#include <cstdint>

namespace {

using namespace danelaw::smtp;

void require_canonical(std::string_view out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        require(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'));
        require(out[i] != '\r' || (i + 1 < out.size() && out[i + 1] == '\n'));
    }
}

} // namespace

// The first octet says how large the pieces are.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::size_t step = data[0] % 16 + 1, used = 0;
    DataDecoder decoder;
    std::string out;
    bool ended = false;
    while (used < wire.size() && !ended) {
        auto fed = decoder.feed(wire.substr(used, step), out);
        used += fed.used;
        ended = fed.ended;
    }
    auto end = ("\r\n" + std::string(wire)).find("\r\n.\r\n");
    require(ended == (end != std::string::npos));
    if (!ended) return 0;
    require(used == end + 3);
    require_canonical(out);

    DotStuffer stuffer;
    std::string sent, back;
    for (std::size_t at = 0; at < out.size(); at += step) stuffer.feed(std::string_view(out).substr(at, step), sent);
    stuffer.finish(sent);
    require_canonical(sent);
    DataDecoder receiver;
    auto fed = receiver.feed(sent, back);
    require(fed.ended && fed.used == sent.size());
    require(back == out || back == out + "\r\n");
    return 0;
}
