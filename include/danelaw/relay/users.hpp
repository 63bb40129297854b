// Who may log in: the users_file, read once, and the check of a password against its crypt(3) hash.
// Immutable after loading, shared by threads. SS-083, SS-085. The check takes as long for a user who does not exist.
#pragma once

#include "danelaw/base/result.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace danelaw::relay {

class Users {
  public:
    // Lines "name:hash"; "#…" and empty lines are skipped. errc::config names the line that is wrong, not what it
    // holds.
    static Result<Users> parse(std::string_view text);
    static Result<std::shared_ptr<const Users>> load(const std::string& file);

    bool empty() const { return hashes_.empty(); }
    // Costs what the hash's method costs (milliseconds to a second): to be run on a worker. Never throws.
    bool check(const std::string& user, const std::string& password) const;

  private:
    std::unordered_map<std::string, std::string> hashes_;
    std::string decoy_; // what unknown users are checked against: the costliest kind in the file
};

} // namespace danelaw::relay
