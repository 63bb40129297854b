// SHA-256 of a text. Private to the module: the names and times that it gives out must be the same on every relay.
#pragma once

#include <string>
#include <string_view>

namespace danelaw::tlsrpt {

std::string sha256(std::string_view text); // 32 octets

} // namespace danelaw::tlsrpt
