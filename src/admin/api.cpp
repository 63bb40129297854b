// Which request is answered by what. One table of endpoints; access is decided before it is read.
#include "danelaw/admin/api.hpp"

#include "queue_api.hpp"

#include <openssl/crypto.h>

namespace danelaw::admin {
namespace {

namespace json = boost::json;
using Action = store::Queue::Action;

constexpr std::size_t destinations_shown = 20;

// Is the Host header one that a browser can't be tricked into by DNS (rebinding)? Only asked without a token.
bool local_host_header(const http::Request& request) {
    const auto host = http::find(request.headers, "Host");
    if (!host) return true; // not a browser
    std::string_view name = *host;
    if (name.starts_with('[')) {
        name = name.substr(1, name.find(']') - 1);
    } else {
        name = name.substr(0, name.find(':'));
    }
    return name == "localhost" || IpAddress::parse(name).has_value();
}

bool token_matches(const http::Request& request, const std::string& token) {
    const auto header = http::find(request.headers, "Authorization");
    if (!header || !istarts_with(*header, "Bearer ")) return false;
    const std::string_view given = header->substr(7);
    return given.size() == token.size() && CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

// A unix socket is guarded by its file's permissions; beyond it a token where one is set (contract: admin.token_file).
std::optional<http::Response> refuse(const Context& context, const http::Request& request) {
    const std::string_view path = request.path();
    if (request.method == "POST") {
        // A form on a foreign page can't send this type without asking first.
        const auto type = http::find(request.headers, "Content-Type");
        if (!type || !istarts_with(*type, "application/json")) return problem(415, "send application/json");
    }
    if (request.peer.empty() || path == "/health") return std::nullopt;
    const std::string token = context.token ? context.token() : "";
    if (token.empty()) {
        if (!local_host_header(request)) return problem(403, "this host name is not accepted");
        return std::nullopt;
    }
    if (!token_matches(request, token)) {
        http::Response r = problem(401, "a token is needed");
        r.headers.push_back({"WWW-Authenticate", "Bearer"});
        return r;
    }
    return std::nullopt;
}

Task<Result<StatusFacts>> gather(Context& context) {
    StatusFacts f;
    f.now = context.clock.now();
    f.started = context.started;
    auto counts = co_await context.queue.counts();
    if (!counts) co_return fail(counts.error());
    f.queue = *counts;
    auto domains = co_await context.queue.domains(destinations_shown);
    if (!domains) co_return fail(domains.error());
    f.destinations = std::move(*domains);
    auto relays = co_await context.queue.relays();
    if (!relays) co_return fail(relays.error());
    f.relays = std::move(*relays);
    f.counters = context.counters.snapshot(f.now);
    if (context.dns) f.dns = context.dns();
    if (context.problems) f.problems = context.problems();
    if (context.warnings) f.warnings = context.warnings();
    co_return f;
}

Task<http::Response> health(Context& context) {
    const std::vector<std::string> problems = context.problems ? context.problems() : std::vector<std::string>{};
    json::array all;
    for (const std::string& p : problems) all.emplace_back(p);
    const json::object body{{"ok", problems.empty()}, {"problems", std::move(all)}};
    co_return json_response(problems.empty() ? 200 : 503, body);
}

Task<http::Response> status(Context& context) {
    auto facts = co_await gather(context);
    if (!facts) co_return problem(facts.error());
    co_return json_response(200, status_view(*facts));
}

Task<http::Response> metrics(Context& context) {
    auto facts = co_await gather(context);
    if (!facts) co_return problem(facts.error());
    http::Response r;
    r.headers.push_back({"Content-Type", "text/plain; version=0.0.4; charset=utf-8"});
    r.body = metrics_text(*facts, context.queue.stats());
    co_return r;
}

Task<http::Response> tlsrpt(Context& context, const http::Request& request) {
    std::string day = request.query("day").value_or("");
    Result<json::value> answer = fail(Errc::unavailable, "TLS reports are off");
    if (request.method == "POST") {
        const bool dry = request.query("dry_run").value_or("") == "1";
        if (context.tlsrpt_send) answer = co_await context.tlsrpt_send(std::move(day), dry);
    } else if (context.tlsrpt_show) {
        answer = co_await context.tlsrpt_show(std::move(day));
    }
    if (!answer) co_return problem(answer.error());
    co_return json_response(200, *answer);
}

struct Named {
    std::string_view word;
    Action action;
};
constexpr Named actions[] = {{"flush", Action::flush},
                             {"hold", Action::hold},
                             {"release", Action::release},
                             {"delete", Action::remove},
                             {"bounce", Action::bounce}};

// /api/queue, /api/queue/ACTION, /api/queue/ID[/trace|/content]
Task<http::Response> queue(Context& context, const http::Request& request, std::string_view rest) {
    if (rest.empty()) co_return co_await list_messages(context, request);
    if (request.method == "POST") {
        for (const Named& a : actions) {
            if (rest == a.word) co_return co_await act_on_queue(context, a.action, request);
        }
        co_return problem(404, "no such action");
    }
    const std::size_t slash = rest.find('/');
    std::string id(rest.substr(0, slash));
    const std::string_view what = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
    if (what.empty()) co_return co_await show_message(context, std::move(id));
    if (what == "trace") co_return co_await show_trace(context, std::move(id));
    if (what == "content") co_return co_await show_content(context, std::move(id), request);
    co_return problem(404, "no such page");
}

} // namespace

Task<http::Response> handle(Context& context, http::Request request) {
    if (auto refused = refuse(context, request)) co_return *refused;
    const std::string path(request.path());
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (!get && request.method != "POST") co_return problem(405, "GET or POST");
    if (get && path == "/api/holds") co_return co_await show_holds(context);
    if (path == "/api/queue") co_return co_await queue(context, request, "");
    if (path.starts_with("/api/queue/")) co_return co_await queue(context, request, std::string_view(path).substr(11));
    if (path == "/api/tlsrpt") co_return co_await tlsrpt(context, request);
    if (get && path == "/health") co_return co_await health(context);
    if (get && path == "/api/status") co_return co_await status(context);
    if (get && path == "/metrics") co_return co_await metrics(context);
    co_return problem(404, "no such page");
}

} // namespace danelaw::admin
