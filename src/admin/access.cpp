// Who may ask for what. See access.hpp.
#include "danelaw/admin/access.hpp"

#include "danelaw/base/ip.hpp"
#include "danelaw/base/text.hpp"

#include <openssl/crypto.h>

namespace danelaw::admin {
namespace {

std::string_view without_port(std::string_view host) {
    if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
    return host.substr(0, host.find(':'));
}

// Is the Host header one that a browser can't be led to by a foreign DNS name (rebinding)? Asked without a token only.
bool local_host_header(const http::Request& request) {
    const auto host = http::find(request.headers, "Host");
    if (!host) return true; // not a browser
    const std::string_view name = without_port(*host);
    return iequals(name, "localhost") || IpAddress::parse(name).has_value();
}

// A page of another origin says so by itself, in headers that its scripts can't set.
bool from_elsewhere(const http::Request& request) {
    const auto site = http::find(request.headers, "Sec-Fetch-Site");
    if (site && (*site == "cross-site" || *site == "same-site")) return true;
    const auto origin = http::find(request.headers, "Origin");
    if (!origin) return false;
    const auto scheme = origin->find("://"); // a proxy may have taken TLS away: host and port are compared
    const auto host = http::find(request.headers, "Host");
    return scheme == std::string_view::npos || !host || !iequals(origin->substr(scheme + 3), *host);
}

bool is_json(const http::Request& request) {
    const auto type = http::find(request.headers, "Content-Type");
    return type && iequals(trim(type->substr(0, type->find(';'))), "application/json");
}

// Neither the place of a difference nor, beyond its length, anything else shows in the time taken.
bool same_secret(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), b.size()) == 0;
}

} // namespace

Right right_of(const http::Request& request, const std::vector<config::Token>& tokens) {
    if (request.peer.empty() || tokens.empty()) return Right::admin;
    const auto header = http::find(request.headers, "Authorization");
    if (!header || !istarts_with(*header, "Bearer ")) return Right::none;
    const std::string_view given = trim(header->substr(7));
    Right right = Right::none;
    for (const config::Token& token : tokens) { // all of them, always
        if (same_secret(given, token.text)) right = std::max(right, token.right);
    }
    return right;
}

std::optional<Denied> refuse(const http::Request& request, const std::vector<config::Token>& tokens, Door door,
                             Right needs) {
    const bool guarded = !request.peer.empty() && !tokens.empty();
    if (!guarded && !request.peer.empty() && !local_host_header(request))
        return Denied{403, "this host name is not accepted"};
    // Following a link from elsewhere to the page is no harm: it holds nothing by itself.
    if (door == Door::api && from_elsewhere(request)) return Denied{403, "not from another site's page"};
    // A form on a foreign page can't send this type without asking first.
    if (request.method == "POST" && !is_json(request)) return Denied{415, "send application/json"};
    if (door != Door::api) return std::nullopt;
    const Right right = right_of(request, tokens);
    if (right == Right::none) return Denied{401, "a token is needed"};
    if (right < needs) return Denied{403, "this token only reads"};
    return std::nullopt;
}

} // namespace danelaw::admin
