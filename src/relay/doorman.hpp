// Is there room for one more connection, of this client too? (SS-025) Pure but for its own counts.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace danelaw::relay {

class Doorman {
  public:
    // Takes a place; false when none is left. The limits may change between calls.
    bool enter(std::uint32_t most);
    void leave();
    // The same for one client's address. Unix clients are not counted: they have none.
    bool enter_client(const std::string& address, std::uint32_t most);
    void leave_client(const std::string& address);
    std::uint32_t inside() const { return inside_; }
    std::size_t clients() const { return clients_.size(); }

  private:
    std::uint32_t inside_ = 0;
    std::unordered_map<std::string, std::uint32_t> clients_;
};

} // namespace danelaw::relay
