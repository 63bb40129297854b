// The one way to say what happened: an event with typed fields, as a JSON object a line or as text with the same facts.
// Only acts and top log. Peer bytes are escaped here, once. Safe from any thread.
#pragma once

#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace danelaw::log {

enum class Level {
    debug,
    info,
    warn,
    error
}; // error: a human must act · warn: refused or degraded · info: contract events
enum class Format { text, json };

struct Options {
    Level level = Level::info;
    Format format = Format::text;
    std::string target = "stderr"; // stderr | journald | a file, reopened by reopen()
};

class Log {
  public:
    virtual ~Log() = default;
    // `name` is the contract's event word. Fields are written in their order after ts, level, event.
    virtual void event(Level level, std::string_view name, boost::json::object fields) = 0;
    virtual bool enabled(Level level) const = 0; // to spare building fields of debug events
    virtual void reopen(Options options) = 0;    // SIGHUP: new settings, file reopened
};

std::unique_ptr<Log> make(Options options);

} // namespace danelaw::log
