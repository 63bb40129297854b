// Which request is answered by what. One table of endpoints; access is decided before any of them is asked.
#include "danelaw/admin/api.hpp"

#include "endpoints.hpp"
#include "queue_api.hpp"

namespace danelaw::admin {
namespace {

using Action = store::Queue::Action;
using Id = std::string_view; // what stands for {id} in the path

using Answer = Task<http::Response> (*)(Context&, const http::Request&, Id);

struct Endpoint {
    std::string_view method, path;
    Door door;
    Right needs;
    Answer answer;
};

template <Action action> Task<http::Response> act(Context& c, const http::Request& r, Id) {
    return act_on_queue(c, action, r);
}
template <auto f> Task<http::Response> plain(Context& c, const http::Request&, Id) {
    return f(c);
}
template <auto f> Task<http::Response> asked(Context& c, const http::Request& r, Id) {
    return f(c, r);
}
Task<http::Response> message(Context& c, const http::Request&, Id id) {
    return show_message(c, std::string(id));
}
Task<http::Response> trace(Context& c, const http::Request&, Id id) {
    return show_trace(c, std::string(id));
}
Task<http::Response> content(Context& c, const http::Request& r, Id id) {
    return show_content(c, std::string(id), r);
}
Task<http::Response> front(Context&, const http::Request& r, Id) {
    return page(r, "index.html");
}
Task<http::Response> file(Context&, const http::Request& r, Id name) {
    return page(r, name);
}
Task<http::Response> description(Context&, const http::Request&, Id) {
    co_return openapi();
}

// GET looks, POST acts; a read-only token may GET. A check dials out, so it acts.
constexpr Endpoint table[] = {
    {"GET", "/", Door::page, Right::none, front},
    {"GET", "/page/{id}", Door::page, Right::none, file},
    {"GET", "/health", Door::open, Right::none, asked<health>},
    {"GET", "/metrics", Door::api, Right::read, plain<metrics>},
    {"GET", "/api", Door::api, Right::read, asked<index>},
    {"GET", "/api/openapi.yaml", Door::api, Right::read, description},
    {"GET", "/api/status", Door::api, Right::read, plain<status>},
    {"GET", "/api/history", Door::api, Right::read, asked<history>},
    {"GET", "/api/failures", Door::api, Right::read, asked<failures>},
    {"GET", "/api/destinations", Door::api, Right::read, asked<destinations>},
    {"GET", "/api/policies", Door::api, Right::read, plain<policies>},
    {"POST", "/api/check", Door::api, Right::admin, asked<check>},
    {"GET", "/api/queue", Door::api, Right::read, asked<list_messages>},
    {"POST", "/api/queue/flush", Door::api, Right::admin, act<Action::flush>},
    {"POST", "/api/queue/hold", Door::api, Right::admin, act<Action::hold>},
    {"POST", "/api/queue/release", Door::api, Right::admin, act<Action::release>},
    {"POST", "/api/queue/delete", Door::api, Right::admin, act<Action::remove>},
    {"POST", "/api/queue/bounce", Door::api, Right::admin, act<Action::bounce>},
    {"GET", "/api/queue/{id}", Door::api, Right::read, message},
    {"GET", "/api/queue/{id}/trace", Door::api, Right::read, trace},
    {"GET", "/api/queue/{id}/content", Door::api, Right::admin, content}, // somebody's mail
    {"GET", "/api/holds", Door::api, Right::read, plain<show_holds>},
    {"GET", "/api/tlsrpt", Door::api, Right::read, asked<tls_reports>},
    {"POST", "/api/tlsrpt", Door::api, Right::admin, asked<tls_reports>},
};

// The value of {id} ("" where the pattern has none), or nullopt when the path is another.
std::optional<Id> match(std::string_view pattern, std::string_view path) {
    const auto hole = pattern.find("{id}");
    if (hole == std::string_view::npos) return pattern == path ? std::optional<Id>("") : std::nullopt;
    const std::string_view before = pattern.substr(0, hole), after = pattern.substr(hole + 4);
    if (path.size() <= before.size() + after.size()) return std::nullopt;
    if (!path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
    const Id id = path.substr(before.size(), path.size() - before.size() - after.size());
    return id.find('/') == Id::npos ? std::optional<Id>(id) : std::nullopt;
}

struct Found {
    const Endpoint* endpoint = nullptr; // null: the path is known, but not with this method; or not at all
    std::string id;
    std::string allowed; // methods of the path; "": no such path
};

Found find(const http::Request& request) {
    const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
    Found found;
    for (const Endpoint& e : table) {
        const auto id = match(e.path, request.path());
        if (!id) continue;
        if (e.method == method) return {&e, std::string(*id), ""};
        if (found.allowed.find(e.method) == std::string::npos)
            found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(e.method);
    }
    return found;
}

http::Response denied(const Denied& why) {
    http::Response r = problem(why.status, why.text);
    if (why.status == 401) r.headers.push_back({"WWW-Authenticate", "Bearer"});
    return r;
}

http::Response not_there(const Found& found) {
    if (found.allowed.empty()) return problem(404, "no such page");
    http::Response r = problem(405, "allowed here: " + found.allowed);
    r.headers.push_back({"Allow", found.allowed});
    return r;
}

void set_default(http::Response& r, std::string_view name, std::string_view value) {
    if (!http::find(r.headers, name)) r.headers.push_back({std::string(name), std::string(value)});
}

// Whatever is answered, a browser is not to guess its type, keep it, frame it or run it.
http::Response guarded(http::Response r) {
    set_default(r, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    set_default(r, "X-Content-Type-Options", "nosniff");
    set_default(r, "X-Frame-Options", "DENY");
    set_default(r, "Referrer-Policy", "no-referrer");
    set_default(r, "Cross-Origin-Resource-Policy", "same-origin");
    set_default(r, "Cache-Control", "no-store");
    return r;
}

Task<http::Response> answer(Context& context, const http::Request& request) {
    const Found found = find(request);
    const auto tokens = context.tokens ? context.tokens() : std::vector<config::Token>{};
    // Without a token nobody learns which paths there are.
    const Door door = found.endpoint != nullptr ? found.endpoint->door : Door::api;
    const Right needs = found.endpoint != nullptr ? found.endpoint->needs : Right::read;
    if (const auto why = refuse(request, tokens, door, needs)) co_return denied(*why);
    if (found.endpoint == nullptr) co_return not_there(found);
    co_return co_await found.endpoint->answer(context, request, found.id);
}

} // namespace

std::vector<EndpointName> endpoints() {
    std::vector<EndpointName> all;
    for (const Endpoint& e : table) all.push_back({e.method, e.path, e.needs});
    return all;
}

Task<http::Response> handle(Context& context, http::Request request) {
    http::Response response = co_await answer(context, request);
    co_return guarded(std::move(response));
}

} // namespace danelaw::admin
