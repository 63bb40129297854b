// xtext: how DSN and AUTH parameters carry any octet (RFC 3461 4). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace danelaw::smtp {

std::string xtext(std::string_view octets);
// nullopt when `text` is not xtext. Lower-case hexadecimal digits are tolerated.
std::optional<std::string> from_xtext(std::string_view text);

} // namespace danelaw::smtp
