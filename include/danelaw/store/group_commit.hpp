// How long does the writer wait for company before it commits what is waiting? Pure; called by the writer thread.
// A commit costs its fsync and every page that it touches, however few operations share them: of two in one it costs
// twice as much a message as of twenty. What comes alone is never made to wait (DQ-005).
#pragma once

#include <chrono>
#include <cstddef>

namespace danelaw::store {

struct Waiting {
    std::size_t operations = 0;
    bool answer_awaited = false; // one of them is a client's wait for its 250
};
struct LastCommit {
    std::size_t operations = 0;
    std::chrono::microseconds ago{}; // since its end
};

inline constexpr std::size_t enough_company = 32; // operations; beyond these the cost of one hardly falls

// Zero: commit now.
std::chrono::microseconds wait_for_company(Waiting waiting, LastCommit last);

} // namespace danelaw::store
