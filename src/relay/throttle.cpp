#include "throttle.hpp"

#include <algorithm>

namespace danelaw::relay {
namespace {

std::string pair_key(const std::string& address, const std::string& user) {
    return address + '\n' + user.substr(0, 256);
}

} // namespace

std::string origin_of(const IpAddress& client) {
    if (!client.v6) return client.text();
    IpPrefix network{client, 64};
    std::fill(network.base.octets.begin() + 8, network.base.octets.end(), 0);
    return network.text();
}

bool Throttle::below(const std::string& key, int most, Time now) {
    auto found = counts_.find(key);
    if (found == counts_.end()) return true;
    if (now - found->second.since < window && now >= found->second.since) return found->second.failures < most;
    counts_.erase(found);
    return true;
}

bool Throttle::allows(const std::string& address, const std::string& user, Time now) {
    return below(address, per_address, now) && below(pair_key(address, user), per_user, now);
}

void Throttle::count(const std::string& key, Time now) {
    if (counts_.size() >= entries && now - swept_ >= window / 10) { // not each time: that would be quadratic
        swept_ = now;
        std::erase_if(counts_, [now](const auto& item) { return now - item.second.since >= window; });
    }
    if (counts_.size() >= entries && !counts_.contains(key)) counts_.erase(counts_.begin()); // bounded above all
    auto& entry = counts_[key];
    if (entry.failures == 0 || now - entry.since >= window) entry = Count{0, now};
    ++entry.failures;
}

void Throttle::failed(const std::string& address, const std::string& user, Time now) {
    count(address, now);
    count(pair_key(address, user), now);
}

void Throttle::succeeded(const std::string& address, const std::string& user) {
    counts_.erase(pair_key(address, user));
}

} // namespace danelaw::relay
