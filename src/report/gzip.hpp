// gzip (RFC 1952), for reports (TR-033). Private to src/report.
#pragma once

#include <string>
#include <string_view>

namespace danelaw::report {

// Equal texts give equal octets: no time, no name in the header.
std::string gzip(std::string_view text);

} // namespace danelaw::report
