// Which sockets does the service manager hold for us (systemd's socket activation), and which configured address is
// each for? They outlive this process: while it restarts, connections wait in them instead of being refused.
#pragma once

#include "danelaw/base/result.hpp"

#include <map>
#include <string>
#include <vector>

namespace danelaw::app {

struct Inherited {
    int descriptor = -1;
    std::string name;    // FileDescriptorName= of the socket unit, by default the unit's own name
    std::string address; // where it listens: "127.0.0.1:25", "[::1]:25", "unix:/run/x.sock"
};

// Those passed by sd_listen_fds(3): closed on exec from now on, and taken out of the environment, so that no child of
// ours believes they are its own. Call it while there is one thread. Errc::config: one that is of no use.
Result<std::vector<Inherited>> take_inherited();

// The descriptor for each configured address that has one. Errc::config names a socket that nobody has asked for: a
// port that is open, with nobody who answers there. Pure.
Result<std::map<std::string, int>> assign(const std::vector<Inherited>& inherited,
                                          const std::vector<std::string>& configured);

} // namespace danelaw::app
