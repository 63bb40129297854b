// From the configuration file to validated settings, or to every problem with its place. An empty file is valid.
// Reads the file and the files that it names (certificates, anchors, users); changes nothing.
#pragma once

#include "danelaw/config/settings.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace danelaw::config {

enum class Severity { warning, error };

struct Problem {
    Severity severity = Severity::error;
    int line = 1, column = 1; // from 1
    std::string message;
    bool operator==(const Problem&) const = default;
};

struct Loaded {
    Settings settings;             // with defaults; to be used only when valid()
    std::vector<Problem> problems; // in the order of the file
    bool valid() const;            // no error; warnings may be there
};

Loaded load(const std::string& file, Time now);
// The same from text; `file` is only noted. `now` decides about `until:`.
Loaded parse(const std::string& yaml, const std::string& file, Time now);

// "F:LINE:COL: message"; a warning says so.
std::string text(const std::string& file, const Problem& problem);

// The effective configuration as YAML, every default filled in. What it prints loads again to the same settings.
std::string show(const Settings& settings);

} // namespace danelaw::config
