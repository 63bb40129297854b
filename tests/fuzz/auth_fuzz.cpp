// AUTH: lines, base64 and PLAIN's octets from anybody (SS-081, SS-083).
#include "danelaw/smtp/command_in.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace danelaw::smtp;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (auto command = parse_auth(text)) {
        if (command->mechanism.empty()) std::abort();
        if (command->initial) (void)parse_auth_octets(*command->initial);
    }
    for (auto octets : {std::optional(std::string(text)), [&] {
                            auto decoded = parse_auth_octets(text);
                            return decoded ? std::optional(*decoded) : std::nullopt;
                        }()}) {
        if (!octets) continue;
        auto plain = parse_plain(*octets);
        if (plain && (plain->user.empty() || plain->user.find('\0') != std::string::npos ||
                      plain->password.find('\0') != std::string::npos))
            std::abort();
    }
    return 0;
}
