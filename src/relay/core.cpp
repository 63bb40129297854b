#include "core.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/random.hpp"

#include <limits>
#include <sys/statvfs.h>

namespace danelaw::relay {
namespace {

constexpr auto room_known_for = std::chrono::milliseconds(50); // a look costs a system call for each message

Bytes free_at(const std::string& path) {
    struct statvfs facts{};
    if (::statvfs(path.c_str(), &facts) != 0) return std::numeric_limits<Bytes>::max(); // the store will tell
    return static_cast<Bytes>(facts.f_bavail) * facts.f_frsize;
}

} // namespace

std::string Core::random_session_prefix() {
    return random_token(3) + '-';
}

Bytes Core::free_disk(const std::string& path) {
    if (hooks.free_disk) return hooks.free_disk();
    const auto now = std::chrono::steady_clock::now();
    if (now >= look_again) {
        room = free_at(path);
        look_again = now + room_known_for;
    }
    return room;
}

std::optional<smtp::ServerReply> Core::no_room(const config::Settings& settings, Bytes size) {
    using namespace std::chrono;
    const smtp::ServerReply busy{451, "4.3.2", "Queue is overloaded, try later"};
    if (hooks.queue.stats().failed) return smtp::ServerReply{451, "4.3.0", "Queue is not available, try later"};
    if (hooks.overloaded && hooks.overloaded()) return busy;
    if (!storing.empty() && steady_clock::now() - storing.begin()->first > limits::store_latency) return busy;
    if (!hooks.free_disk && settings.queue.store != config::StoreKind::sqlite) return std::nullopt; // not our disk
    Bytes wanted = settings.limits.min_free_disk + reserved + size;
    if (free_disk(settings.queue.path) < wanted) return smtp::ServerReply{452, "4.3.1", "Insufficient system storage"};
    return std::nullopt;
}

} // namespace danelaw::relay
