// How things are: health, status, metrics, and what the web page draws.
#include "endpoints.hpp"
#include "queue_api.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t destinations_shown = 20, failures_shown = 20, page_most = 1000;

std::vector<std::string> problems_of(const Context& context) {
    return context.problems ? context.problems() : std::vector<std::string>{};
}

Task<Result<StatusFacts>> gather(Context& context) {
    StatusFacts f;
    f.now = context.clock.now();
    f.started = context.started;
    auto counts = co_await context.queue.counts();
    if (!counts) co_return fail(counts.error());
    f.queue = *counts;
    store::DomainQuery first;
    first.limit = destinations_shown;
    auto domains = co_await context.queue.domains(std::move(first));
    if (!domains) co_return fail(domains.error());
    f.destinations = std::move(*domains);
    auto reasons = co_await context.queue.reasons();
    if (!reasons) co_return fail(reasons.error());
    f.reasons = std::move(*reasons);
    auto relays = co_await context.queue.relays();
    if (!relays) co_return fail(relays.error());
    f.relays = std::move(*relays);
    f.counters = context.counters.snapshot(f.now);
    if (context.dns) f.dns = context.dns();
    if (context.connections) f.connections = context.connections();
    if (context.settings) f.policies = context.settings()->policies;
    f.problems = problems_of(context);
    if (context.warnings) f.warnings = context.warnings();
    co_return f;
}

} // namespace

Result<std::size_t> number_asked(const http::Request& request, std::string_view name, std::size_t fallback,
                                 std::size_t most) {
    const auto asked = request.query(name);
    if (!asked) return fallback;
    const auto n = parse_number(*asked);
    if (!n) return fail(Errc::parse, std::string(name) + " must be a number");
    return std::min<std::size_t>(*n, most);
}

// Open to whoever watches whether the relay lives; what is wrong in words is for those who may read.
Task<http::Response> health(Context& context, const http::Request& request) {
    const std::vector<std::string> problems = problems_of(context);
    json::array all;
    const auto tokens = context.tokens ? context.tokens() : std::vector<config::Token>{};
    if (right_of(request, tokens) != Right::none) {
        for (const std::string& p : problems) all.emplace_back(p);
    }
    const json::object body{{"ok", problems.empty()}, {"problems", std::move(all)}};
    co_return json_response(problems.empty() ? 200 : 503, body);
}

Task<http::Response> status(Context& context) {
    auto facts = co_await gather(context);
    if (!facts) co_return problem(facts.error());
    auto& failures = facts->counters.failures;
    if (failures.size() > failures_shown) failures.resize(failures_shown);
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

Task<http::Response> history(Context& context, const http::Request& request) {
    const std::string span = request.query("span").value_or("15m");
    if (span != "15m" && span != "24h") co_return problem(400, "span must be 15m or 24h");
    const auto which = span == "15m" ? Counters::Span::minutes : Counters::Span::day;
    co_return json_response(200, history_view(context.counters.series(which, context.clock.now())));
}

Task<http::Response> failures(Context& context, const http::Request& request) {
    const auto limit = number_asked(request, "limit", 50, page_most);
    if (!limit) co_return problem(limit.error());
    json::array all;
    for (const Failure& f : context.counters.snapshot(context.clock.now()).failures) {
        if (all.size() >= *limit) break;
        all.push_back(failure_view(f));
    }
    co_return json_response(200, all);
}

Task<http::Response> destinations(Context& context, const http::Request& request) {
    const auto limit = number_asked(request, "limit", 50, page_most);
    if (!limit) co_return problem(limit.error());
    const auto offset = number_asked(request, "offset", 0, 1'000'000'000);
    if (!offset) co_return problem(offset.error());
    store::DomainQuery query;
    query.limit = *limit + 1; // one more tells whether there are more
    query.offset = *offset;
    query.contains = lower(request.query("contains").value_or(""));
    query.reason = request.query("reason").value_or("");
    auto found = co_await context.queue.domains(std::move(query));
    if (!found) co_return problem(found.error());
    const bool more = found->size() > *limit;
    if (more) found->pop_back();
    json::array all;
    for (const store::DomainCount& d : *found) all.push_back(destination_view(d));
    const json::object body{{"destinations", std::move(all)}, {"more", more}};
    co_return json_response(200, body);
}

} // namespace danelaw::admin
