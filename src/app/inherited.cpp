#include "inherited.hpp"

#include "danelaw/base/ip.hpp"
#include "danelaw/net/stream.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <systemd/sd-daemon.h>

namespace danelaw::app {
namespace {

// The same in other words is the same: [0:0::1]:25 and [::1]:25.
bool same_place(const std::string& configured, const std::string& bound) {
    if (configured == bound) return true;
    const auto endpoint = Endpoint::parse(configured);
    return endpoint && endpoint == Endpoint::parse(bound);
}

std::string spoken(const Inherited& socket) {
    return fmt::format("the socket {} of {}", socket.address,
                       socket.name.empty() ? "the service manager" : socket.name);
}

} // namespace

Result<std::vector<Inherited>> take_inherited() {
    char** names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &names);
    if (count < 0) return fail(Errc::config, std::string("LISTEN_FDS: ") + std::strerror(-count));
    std::vector<Inherited> all;
    for (int i = 0; i < count; ++i) {
        all.push_back({SD_LISTEN_FDS_START + i, names[i], ""});
        std::free(names[i]);
    }
    std::free(static_cast<void*>(names));
    for (Inherited& socket : all) {
        auto address = net::listening_address(socket.descriptor);
        if (!address) return fail(Errc::config, "socket of " + socket.name + ": " + address.error().detail);
        socket.address = std::move(*address);
    }
    return all;
}

Result<std::map<std::string, int>> assign(const std::vector<Inherited>& inherited,
                                          const std::vector<std::string>& configured) {
    std::map<std::string, int> taken;
    for (const Inherited& socket : inherited) {
        const auto same = [&](const std::string& address) { return same_place(address, socket.address); };
        const auto wanted = std::ranges::find_if(configured, same);
        if (wanted == configured.end()) {
            return fail(Errc::config,
                        fmt::format("{} is the address of no listener and not admin.address; these are {}",
                                    spoken(socket), fmt::join(configured, ", ")));
        }
        if (!taken.emplace(*wanted, socket.descriptor).second)
            return fail(Errc::config, spoken(socket) + " was passed twice");
    }
    return taken;
}

} // namespace danelaw::app
