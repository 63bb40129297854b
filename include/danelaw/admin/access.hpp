// May this request be answered? Tokens, and what keeps a foreign web page from using an operator's browser. Pure; asked
// by the API before anything else is looked at.
#pragma once

#include "danelaw/config/tokens.hpp"
#include "danelaw/http/message.hpp"

#include <optional>
#include <vector>

namespace danelaw::admin {

using config::Right;

// What an endpoint is: open ones tell nothing that needs a token.
enum class Door { open, page, api };

struct Denied {
    int status = 403;
    std::string text;
};

// What the one who asks may do. Behind a unix socket its file's permissions decide: admin. On TCP: what the token says,
// or admin where no token is configured (the address is loopback then: config check sees to it).
Right right_of(const http::Request& request, const std::vector<config::Token>& tokens);

// Why not, or nullopt. `needs` is the endpoint's.
std::optional<Denied> refuse(const http::Request& request, const std::vector<config::Token>& tokens, Door door,
                             Right needs);

} // namespace danelaw::admin
