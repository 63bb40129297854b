// What a fuzz target holds against the code: a broken property ends the run and says where.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

inline void require(bool truth, std::source_location at = std::source_location::current()) {
    if (truth) return;
    std::fprintf(stderr, "broken at line %u\n", static_cast<unsigned>(at.line()));
    std::abort();
}
