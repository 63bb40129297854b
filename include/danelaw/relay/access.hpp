// What the server needs from one configuration: settings, users, certificates. Immutable; a reload makes a new one, and
// a session takes the current one at each MAIL (SS-095). And the one rule about who may relay (SS-090).
#pragma once

#include "danelaw/config/settings.hpp"
#include "danelaw/relay/users.hpp"
#include "danelaw/tls/server.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::relay {

// A listener and its certificate, read.
struct Door {
    config::ListenerSettings settings;
    std::shared_ptr<const tls::ServerContext> tls; // null: TLS is off
};

struct Access {
    std::shared_ptr<const config::Settings> settings;
    std::shared_ptr<const Users> users; // null: no users_file
    std::vector<Door> doors;            // as settings->listeners

    // Reads the files that the settings name. errc::config names what is wrong.
    static Result<std::shared_ptr<const Access>> load(std::shared_ptr<const config::Settings> settings);
};

// Why a client may relay; `none` may not, whatever it says.
enum class Right { none, unix_socket, address, user, certificate };
std::string_view word(Right right);

struct ClientFacts {
    bool is_unix = false;
    std::optional<IpAddress> address; // of the socket's peer, or what a required PROXY header told (SS-092, SS-093)
    bool authenticated = false;
    bool certificate_verified = false;
};
Right right_of(const ClientFacts& client, const std::vector<IpPrefix>& allow);

} // namespace danelaw::relay
