// Counts by time. See history.hpp.
#include "danelaw/admin/history.hpp"

#include <algorithm>

namespace danelaw::admin {

std::int64_t Ring::number(Time t) const {
    return std::chrono::floor<Seconds>(t).time_since_epoch().count() / step_.count();
}

Slot& Ring::at(Time now) {
    const auto size = static_cast<std::int64_t>(slots_.size());
    const std::int64_t n = std::max(number(now), last_); // a clock set back counts into the newest step
    for (std::int64_t i = std::max(last_ + 1, n - size + 1); i <= n; ++i)
        slots_[static_cast<std::size_t>(i % size)] = Slot{};
    last_ = n;
    return slots_[static_cast<std::size_t>(n % size)];
}

Ring::Series Ring::series(Time now) const {
    const auto size = static_cast<std::int64_t>(slots_.size());
    const std::int64_t n = std::max(number(now), last_);
    Series out;
    out.step = step_;
    out.first = Time(step_ * (n - size + 1));
    for (std::int64_t i = n - size + 1; i <= n; ++i) {
        const bool kept = i <= last_ && i > last_ - size && i >= 0;
        out.slots.push_back(kept ? slots_[static_cast<std::size_t>(i % size)] : Slot{});
    }
    return out;
}

} // namespace danelaw::admin
