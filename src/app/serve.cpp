// From a configuration file to a running daemon, or to the reason why not.
#include "danelaw/app/serve.hpp"

#include "daemon.hpp"

#include "danelaw/cli/run.hpp"

#include <iostream>

namespace danelaw::app {

int serve(const std::string& config_file) {
    config::Loaded loaded = config::load(config_file, SystemClock().now());
    for (const config::Problem& p : loaded.problems) std::cerr << config::text(config_file, p) << "\n";
    if (!loaded.valid()) return 2;
    net::ignore_sigpipe();
    Daemon daemon(std::move(loaded.settings));
    if (const auto opened = daemon.open(); !opened) {
        if (opened.error().code == Errc::cancelled) return 0;
        daemon.log().event(log::Level::error, "start-failed", {{"text", opened.error().detail}});
        std::cerr << "danelaw: " << opened.error().detail << "\n";
        return opened.error().code == Errc::config ? 2 : 1;
    }
    return daemon.run();
}

int run(int argc, const char* const* argv) {
    cli::Hooks hooks;
    hooks.serve = serve;
    return cli::run(argc, argv, hooks);
}

} // namespace danelaw::app
