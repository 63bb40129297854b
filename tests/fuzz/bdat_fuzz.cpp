// BDAT: counts and canonical content, whatever the chunk borders (SS-044…SS-046).
#include "require.hpp"

#include "danelaw/smtp/command_in.hpp"
#include "danelaw/smtp/data_in.hpp"
#include "danelaw/smtp/data_out.hpp"

#include <cstdint>

namespace {

using namespace danelaw::smtp;

std::string decoded(std::string_view content, std::size_t step, bool& bare) {
    BdatDecoder decoder;
    std::string out;
    for (std::size_t at = 0; at < content.size(); at += step) decoder.feed(content.substr(at, step), out);
    decoder.finish(out);
    bare = decoder.bare_line_ends();
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto parsed = parse_bdat(text.substr(0, 64))) require(parsed->size < std::uint64_t{1} << 63);
    if (size == 0) return 0;
    auto content = text.substr(1);
    bool bare_small = false, bare_whole = false;
    auto out = decoded(content, data[0] % 16 + 1, bare_small);
    require(out == decoded(content, content.size() + 1, bare_whole) && bare_small == bare_whole);
    require(bare_whole || out == content);
    for (std::size_t i = 0; i < out.size(); ++i) require(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'));
    BdatText encoder; // what is canonical already leaves as it is
    std::string sent;
    encoder.feed(out, sent);
    encoder.finish(sent);
    require(sent == out || sent == out + "\r\n");
    return 0;
}
