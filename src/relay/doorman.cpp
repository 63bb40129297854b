#include "doorman.hpp"

namespace danelaw::relay {

bool Doorman::enter(std::uint32_t most) {
    if (inside_ >= most) return false;
    ++inside_;
    return true;
}

void Doorman::leave() {
    --inside_;
}

bool Doorman::enter_client(const std::string& address, std::uint32_t most) {
    auto& count = clients_[address];
    if (count >= most) return false;
    ++count;
    return true;
}

void Doorman::leave_client(const std::string& address) {
    auto found = clients_.find(address);
    if (found != clients_.end() && --found->second == 0) clients_.erase(found);
}

} // namespace danelaw::relay
