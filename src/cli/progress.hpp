// How far is a long command? One line on a terminal that is written over; elsewhere nothing until the end.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <string_view>

namespace danelaw::cli {

class Progress {
  public:
    explicit Progress(std::ostream& out, std::string_view unit = "messages") : out_(out), unit_(unit) {}
    void begin(std::uint64_t all) { all_ = all; }
    void show(std::uint64_t done) {
        if (!shown_ || all_ == 0) return;
        done = std::min(done, all_);
        const auto full = done * width / all_;
        out_ << fmt::format("\r[{:#<{}}{:.<{}}] {}/{} {} {}%", "", full, "", width - full, done, all_, unit_,
                            done * 100 / all_)
             << std::flush;
    }
    void end() {
        if (shown_ && all_ > 0) out_ << "\n";
    }

  private:
    static constexpr std::uint64_t width = 40;
    std::ostream& out_;
    std::string_view unit_;
    bool shown_ = ::isatty(STDERR_FILENO) == 1;
    std::uint64_t all_ = 0;
};

} // namespace danelaw::cli
