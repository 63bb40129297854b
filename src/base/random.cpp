// The kernel's random generator, and a fixed sequence for tests.
#include "danelaw/base/random.hpp"

#include "danelaw/base/result.hpp"
#include "danelaw/base/text.hpp"

#include <iterator>
#include <sys/random.h>

namespace danelaw {

std::uint64_t SystemRng::next() {
    if (left_ == 0) {
        // up to 256 octets never come short or interrupted once the pool is ready (getrandom(2)); 512 in two calls
        char* at = reinterpret_cast<char*>(buffer_);
        for (std::size_t done = 0; done < sizeof buffer_;) {
            const auto n = getrandom(at + done, sizeof buffer_ - done, 0);
            DANELAW_CHECK(n > 0);
            done += static_cast<std::size_t>(n);
        }
        left_ = std::size(buffer_);
    }
    return buffer_[--left_];
}

std::uint64_t SeededRng::next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

std::string random_token(std::size_t octets) {
    std::string bytes(octets, '\0');
    for (std::size_t done = 0; done < octets;) {
        const auto n = getrandom(bytes.data() + done, octets - done, 0);
        DANELAW_CHECK(n > 0);
        done += static_cast<std::size_t>(n);
    }
    return hex(bytes);
}

} // namespace danelaw
