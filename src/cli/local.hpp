// The configuration for commands that work without the daemon.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/config/settings.hpp"

#include <string>

namespace danelaw::cli {

// Of `file`, or of the default file, or the defaults when that does not exist. errc::config when the file is not valid.
Result<config::Settings> local_settings(const std::string& file);

} // namespace danelaw::cli
