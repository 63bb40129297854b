// The command line: every subcommand of `danelaw`. Exit status: 0 yes/ok, 1 no, 2 wrong usage or configuration, 3 the
// daemon can't be reached.
#pragma once

#include <functional>
#include <string>

namespace danelaw::cli {

struct Hooks {
    std::function<int(const std::string& config_file)> serve; // the daemon itself lives in app
};

int run(int argc, const char* const* argv, const Hooks& hooks);

} // namespace danelaw::cli
