// Checksum of stored bytes (CRC-32C, RFC 3720 B.4): notices rot, torn writes and zeroed pages. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace danelaw::store {

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);

} // namespace danelaw::store
