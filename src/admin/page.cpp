// The web page's files. They hold no data: the page asks the API for that, with a token where one is demanded.
#include "assets.hpp"
#include "endpoints.hpp"
#include "queue_api.hpp"

#include <algorithm>

namespace danelaw::admin {
namespace {

// Scripts and styles from here only, none inline: what a remote server says can't become code, however it is shown.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const Asset* asset(std::string_view name) {
    const auto all = assets();
    const auto found = std::ranges::find(all, name, &Asset::name);
    return found == all.end() ? nullptr : &*found;
}

http::Response of(const Asset& a) {
    http::Response r;
    r.headers.push_back({"Content-Type", std::string(a.type)});
    r.headers.push_back({"ETag", std::string(a.tag)});
    r.headers.push_back({"Cache-Control", "no-cache"}); // kept, but asked for anew: an upgrade shows at once
    r.body = a.octets;
    return r;
}

} // namespace

Task<http::Response> page(const http::Request& request, std::string_view file) {
    const Asset* found = asset(file);
    if (found == nullptr || file == "openapi.yaml") co_return problem(404, "no such page");
    http::Response r = of(*found);
    r.headers.push_back({"Content-Security-Policy", std::string(page_policy)});
    if (http::find(request.headers, "If-None-Match") == found->tag) {
        r.status = 304;
        r.body.clear();
    }
    co_return r;
}

http::Response openapi() {
    const Asset* found = asset("openapi.yaml");
    return found != nullptr ? of(*found) : problem(404, "no such page");
}

} // namespace danelaw::admin
