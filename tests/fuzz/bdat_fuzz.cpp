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

// The content of the commands that a server would read.
std::string unchunked(BdatChunks::Form form, std::string_view content, std::size_t step) {
    BdatChunks chunks(form, step * 2);
    std::string wire, out;
    for (std::size_t at = 0; at < content.size(); at += step) wire += chunks.feed(content.substr(at, step));
    wire += chunks.finish();
    std::string_view rest = wire;
    for (bool last = false; !last;) {
        const auto end = rest.find("\r\n");
        require(end != std::string_view::npos && rest.starts_with("BDAT "));
        const auto command = parse_bdat(rest.substr(5, end - 5));
        require(command && command->size <= rest.size() - end - 2);
        out += rest.substr(end + 2, command->size);
        rest.remove_prefix(end + 2 + command->size);
        last = command->last;
    }
    require(rest.empty());
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
    // What is canonical already leaves as it is, and what is binary always; each chunk as long as it says (SC-075).
    auto sent = unchunked(BdatChunks::Form::text, out, data[0] % 16 + 1);
    require(sent == out || sent == out + "\r\n");
    require(unchunked(BdatChunks::Form::binary, content, data[0] % 16 + 1) == content);
    return 0;
}
