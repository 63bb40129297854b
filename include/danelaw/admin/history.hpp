// What happened when: counts by time for the page's charts. Pure: time is told. Two rings, so that the last minutes are
// fine and the last day is there.
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/base/words.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace danelaw::admin {

inline constexpr std::array chart_levels = {Level::none,    Level::encrypted, Level::dane_ee,
                                            Level::dane_ta, Level::mta_sts,   Level::pkix};

struct Slot { // what one step of time held
    std::uint32_t accepted = 0, deferred = 0, bounced = 0;
    std::array<std::uint32_t, chart_levels.size()> delivered{}; // by level, in the order of chart_levels
};

// Steps of equal length up to now; older ones are forgotten.
class Ring {
  public:
    Ring(Seconds step, std::size_t slots) : step_(step), slots_(slots) {}
    Slot& at(Time now); // the present step
    struct Series {
        Seconds step{};
        Time first{}; // where the oldest step begins
        std::vector<Slot> slots;
    };
    Series series(Time now) const; // oldest first; the last one is not over yet

  private:
    std::int64_t number(Time t) const;
    Seconds step_;
    std::vector<Slot> slots_;
    std::int64_t last_ = 0; // number of the newest step; steps before the first event are empty
};

} // namespace danelaw::admin
