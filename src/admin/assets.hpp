// The files that the daemon serves and carries in itself: the web page, and the API's description. The table is made at
// build time by cmake/embed.cmake.
#pragma once

#include <span>
#include <string_view>

namespace danelaw::admin {

struct Asset {
    std::string_view name, type, octets;
    std::string_view tag; // ETag: changes with the content
};

std::span<const Asset> assets();

} // namespace danelaw::admin
