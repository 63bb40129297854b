#include "danelaw/relay/access.hpp"

#include <algorithm>

namespace danelaw::relay {

std::string_view word(Right right) {
    switch (right) {
    case Right::none: return "none";
    case Right::unix_socket: return "unix";
    case Right::address: return "address";
    case Right::user: return "user";
    case Right::certificate: return "certificate";
    }
    return {};
}

// SS-090: four ways in, and nothing in an address or a command makes a fifth.
Right right_of(const ClientFacts& client, const std::vector<IpPrefix>& allow) {
    if (client.authenticated) return Right::user;
    if (client.certificate_verified) return Right::certificate;
    if (client.is_unix) return Right::unix_socket;
    if (!client.address) return Right::none;
    bool allowed = std::ranges::any_of(allow, [&](const IpPrefix& p) { return p.contains(*client.address); });
    return allowed ? Right::address : Right::none;
}

Result<std::shared_ptr<const Access>> Access::load(std::shared_ptr<const config::Settings> settings) {
    auto access = std::make_shared<Access>();
    access->settings = settings;
    if (!settings->relay.users_file.empty()) {
        auto users = Users::load(settings->relay.users_file);
        if (!users) return fail(users.error());
        access->users = *users;
    }
    for (const auto& listener : settings->listeners) {
        Door door{listener, nullptr};
        if (listener.tls != config::ListenerTls::off) {
            auto context =
                tls::ServerContext::load({listener.certificate, listener.private_key, settings->relay.client_ca});
            if (!context) return fail(context.error().code, listener.address + ": " + context.error().detail);
            door.tls = *context;
        }
        access->doors.push_back(std::move(door));
    }
    return std::shared_ptr<const Access>(std::move(access));
}

} // namespace danelaw::relay
