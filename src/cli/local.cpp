// The configuration for commands that work without the daemon. See local.hpp.
#include "local.hpp"

#include "commands.hpp"

#include "danelaw/config/load.hpp"

#include <filesystem>

namespace danelaw::cli {

Result<config::Settings> local_settings(const std::string& file) {
    const bool given = !file.empty();
    const std::string from = given ? file : default_config;
    const Time now = SystemClock().now();
    std::error_code ignored;
    if (!given && !std::filesystem::exists(from, ignored)) return config::parse("", "", now).settings;
    config::Loaded loaded = config::load(from, now);
    for (const config::Problem& p : loaded.problems) {
        if (p.severity == config::Severity::error) return fail(Errc::config, config::text(from, p));
    }
    return std::move(loaded.settings);
}

} // namespace danelaw::cli
