#include "danelaw/store/group_commit.hpp"

namespace danelaw::store {
namespace {

using namespace std::chrono_literals;

constexpr auto busy_within = 5ms;     // with commits further apart, nobody else is about to come
constexpr std::size_t several = 3;    // operations that came together: others will
constexpr std::size_t many = 8;       // so many that a client's wait is not felt beside the others'
constexpr auto for_outcomes = 3000us; // what a crash in between would deliver twice: as many as arrive meanwhile
constexpr auto for_answers = 1000us;

} // namespace

std::chrono::microseconds wait_for_company(Waiting waiting, LastCommit last) {
    if (waiting.operations >= enough_company || last.ago > busy_within) return 0us;
    if (last.operations < (waiting.answer_awaited ? many : several)) return 0us;
    return waiting.answer_awaited ? for_answers : for_outcomes;
}

} // namespace danelaw::store
