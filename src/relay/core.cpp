#include "core.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/random.hpp"

#include <limits>
#include <sys/statvfs.h>

namespace danelaw::relay {
namespace {

Bytes free_at(const std::string& path) {
    struct statvfs facts{};
    if (::statvfs(path.c_str(), &facts) != 0) return std::numeric_limits<Bytes>::max(); // the store will tell
    return static_cast<Bytes>(facts.f_bavail) * facts.f_frsize;
}

} // namespace

std::string Core::random_session_prefix() {
    return random_token(3) + '-';
}

std::optional<smtp::ServerReply> Core::no_room(const config::Settings& settings, Bytes size) const {
    using namespace std::chrono;
    const smtp::ServerReply busy{451, "4.3.2", "Queue is overloaded, try later"};
    if (hooks.queue.stats().failed) return smtp::ServerReply{451, "4.3.0", "Queue is not available, try later"};
    if (hooks.overloaded && hooks.overloaded()) return busy;
    if (!storing.empty() && steady_clock::now() - storing.begin()->first > limits::store_latency) return busy;
    if (!hooks.free_disk && settings.queue.store != config::StoreKind::sqlite) return std::nullopt; // not our disk
    Bytes free = hooks.free_disk ? hooks.free_disk() : free_at(settings.queue.path);
    Bytes wanted = settings.limits.min_free_disk + reserved + size;
    if (free < wanted) return smtp::ServerReply{452, "4.3.1", "Insufficient system storage"};
    return std::nullopt;
}

} // namespace danelaw::relay
