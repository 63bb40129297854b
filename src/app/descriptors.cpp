#include "descriptors.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <sys/resource.h>

namespace danelaw::app {
namespace {

constexpr std::uint64_t own = 64;        // database, log, listeners, the admin socket's clients, timers
constexpr std::uint64_t fewest_dns = 64; // sockets towards name servers (resolver: a quarter of all)
constexpr std::uint64_t most_dns = 4096;
constexpr std::uint32_t fewest = 4; // of each kind, whatever the limit

std::uint64_t for_dns(std::uint64_t descriptors) {
    return std::clamp(descriptors / 4, fewest_dns, most_dns);
}

} // namespace

Shares fit(Shares wanted, std::uint64_t descriptors) {
    const auto all = std::uint64_t{wanted.clients} + wanted.deliveries;
    const auto taken = own + for_dns(descriptors);
    const auto left = descriptors > taken ? descriptors - taken : 0;
    if (all <= left) return wanted;
    const auto part = [&](std::uint32_t one) {
        return std::min(one, std::max(fewest, static_cast<std::uint32_t>(left * one / all)));
    };
    return {part(wanted.clients), part(wanted.deliveries)};
}

std::uint64_t descriptors_for(Shares wanted) {
    const auto all = std::uint64_t{wanted.clients} + wanted.deliveries + own;
    return all + std::clamp(all / 3 + 1, fewest_dns, most_dns);
}

std::string fit_descriptors(config::Settings& settings) {
    const Shares wanted{settings.limits.connections, settings.delivery.connections};
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return "";
    const rlim_t needed = descriptors_for(wanted);
    if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = std::min(needed, limit.rlim_max);
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0 && ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return "";
    }
    const Shares given = fit(wanted, limit.rlim_cur);
    if (given == wanted) return "";
    settings.limits.connections = given.clients;
    settings.delivery.connections = given.deliveries;
    return fmt::format(
        "this process may open {} files: limits.connections is {} instead of {}, delivery.connections {} "
        "instead of {}. Raise LimitNOFILE (ulimit -n) to {}",
        limit.rlim_cur, given.clients, wanted.clients, given.deliveries, wanted.deliveries, needed);
}

} // namespace danelaw::app
