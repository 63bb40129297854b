// Queue ids: unique over restarts and relays (DQ-009), ordered by time, safe in file names and logs.
#pragma once

#include "danelaw/base/time.hpp"

#include <string>
#include <string_view>

namespace danelaw {

// 16 letters and digits (Crockford base 32): 45 bits of milliseconds, then 35 random bits.
std::string new_queue_id(Time now);
bool is_queue_id(std::string_view s);

} // namespace danelaw
