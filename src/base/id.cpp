// Queue ids: time-ordered, unique by 35 random bits a millisecond (DQ-009).
#include "danelaw/base/id.hpp"

#include "danelaw/base/random.hpp"

#include <algorithm>

namespace danelaw {
namespace {
constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; // no I L O U: read aloud without doubt
}

std::string new_queue_id(Time now) {
    thread_local SystemRng rng;
    auto time = static_cast<std::uint64_t>(now.time_since_epoch().count());
    auto random = rng.next();
    std::string out(16, '0');
    for (std::size_t i = 9; i-- > 0; time >>= 5) out[i] = alphabet[time & 31];
    for (std::size_t i = 16; i-- > 9; random >>= 5) out[i] = alphabet[random & 31];
    return out;
}

bool is_queue_id(std::string_view s) {
    return s.size() == 16 &&
           std::all_of(s.begin(), s.end(), [](char c) { return alphabet.find(c) != std::string_view::npos; });
}

} // namespace danelaw
