// A configuration file of any content: problems with a place in it, or settings that, shown, load to the same again.
#include "danelaw/base/text.hpp"
#include "danelaw/config/load.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

using namespace danelaw;

// Files named in the text are not to be read here: they could be any.
bool names_a_file(std::string_view text) {
    for (const char* word : {"/", "\\", "file", "cert", "key", "_ca"})
        if (text.find(word) != std::string_view::npos) return true;
    return false;
}

void fail(const std::string& what) {
    std::fprintf(stderr, "broken: %s\n", what.c_str());
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string given(reinterpret_cast<const char*>(data), size);
    if (names_a_file(given)) return 0;
    const std::string yaml = "dns: {trust_anchors_file: \"\"}\ntls: {policy: may}\n" + given;
    const Time now(Seconds(1'790'000'000));
    const auto loaded = config::parse(yaml, "fuzz.yaml", now);
    for (const auto& problem : loaded.problems) {
        if (problem.line < 1 || problem.column < 1 || problem.message.empty()) fail("a problem without place or words");
        if (config::text("fuzz.yaml", problem).find('\n') != std::string::npos) fail("a problem on two lines");
    }
    if (!loaded.valid()) return 0;
    const auto shown = config::show(loaded.settings);
    const auto again = config::parse(shown, "fuzz.yaml", now);
    if (!again.valid()) fail(config::text("shown", again.problems.front()) + "\n" + shown);
    if (config::show(again.settings) != shown) fail("shown twice, and different:\n" + shown);
    return 0;
}
