// How one event reads: a JSON object a line, or one line of text with the same facts. Pure; log.hpp writes what this
// makes. Octets from a peer are made safe here, once (SS-017, DANE-A21).
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/log/log.hpp"

#include <string>
#include <string_view>

namespace danelaw::log {

std::string_view word(Level v);

// Appends the line with its final newline. Fields keep their order after ts, level and event.
//   json  {"ts":"2026-11-25T04:20:31.123Z","level":"info","event":"attempt","id":"…","tls":{"level":"dane-ee"}}
//   text  2026-11-25T04:20:31.123Z info attempt id=… tls.level=dane-ee text="250 2.0.0 ok"
void append_line(std::string& out, Format format, Time now, Level level, std::string_view name,
                 const boost::json::object& fields);

} // namespace danelaw::log
