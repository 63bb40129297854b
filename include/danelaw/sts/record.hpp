// Does a domain announce an MTA-STS policy, and under which id? Pure. RFC 8461 3.1; MS-003, MS-004, D-20.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::sts {

struct Record {
    std::string id;
    bool operator==(const Record&) const = default;
};

// From all TXT records at `_mta-sts.DOMAIN`, the strings of each joined. nullopt: none announced.
std::optional<Record> find_record(const std::vector<std::string>& texts);

} // namespace danelaw::sts
