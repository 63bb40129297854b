// What would be: the policies in force, a check of a domain, TLS reports; and what may be asked at all.
#include "endpoints.hpp"
#include "queue_api.hpp"

#include "danelaw/message/dsn.hpp"

#include <boost/json/parse.hpp>

namespace danelaw::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t checks_at_once = 4; // each may wait for hosts that don't answer

std::optional<std::string> text_in(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    if (v == nullptr || !v->is_string()) return std::nullopt;
    return std::string(std::string_view(v->get_string()));
}

Result<delivery::CheckRequest> check_request(const std::string& body) {
    boost::system::error_code wrong;
    const json::value parsed = json::parse(body, wrong);
    if (wrong || !parsed.is_object()) return fail(Errc::parse, "the body must be a JSON object");
    const json::object& o = parsed.get_object();
    for (const auto& member : o) {
        const std::string_view key = member.key();
        if (key != "domain" && key != "mx" && key != "probe")
            return fail(Errc::parse, "unknown key " + printable(key, 64));
    }
    delivery::CheckRequest request;
    const auto lane = delivery::check_lane(text_in(o, "domain").value_or(""));
    if (!lane) return fail(Errc::parse, "domain must name a domain");
    request.lane = *lane;
    if (const auto mx = text_in(o, "mx"); mx && !mx->empty()) {
        request.only_mx = dns::Name::from(*mx);
        if (!request.only_mx) return fail(Errc::parse, "mx must be a host name");
    }
    const json::value* probe = o.if_contains("probe");
    if (probe != nullptr && !probe->is_bool()) return fail(Errc::parse, "probe must be true or false");
    if (probe != nullptr && !probe->get_bool()) request.probing = delivery::Probing::no;
    return request;
}

// Every reason of the contract, with what it means and who can mend it.
json::array reason_words() {
    json::array all;
    for (int i = 1; !word(static_cast<Reason>(i)).empty(); ++i) {
        const auto reason = static_cast<Reason>(i);
        all.push_back(json::object{
            {"reason", word(reason)}, {"meaning", message::explain(reason)}, {"remedy", message::remedy(reason)}});
    }
    return all;
}

// Counts while it lives.
class Turn {
  public:
    explicit Turn(std::size_t& count) : count_(count) { ++count_; }
    ~Turn() { --count_; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

  private:
    std::size_t& count_;
};

} // namespace

Task<http::Response> index(Context& context, const http::Request& request) {
    json::array all;
    for (const EndpointName& e : endpoints()) {
        all.push_back(json::object{{"method", e.method}, {"path", e.path}, {"needs", word(e.needs)}});
    }
    const auto tokens = context.tokens ? context.tokens() : std::vector<config::Token>{};
    const json::object body{{"version", DANELAW_VERSION},
                            {"hostname", context.settings ? context.settings()->hostname : ""},
                            {"access", word(right_of(request, tokens))},
                            {"endpoints", std::move(all)},
                            {"reasons", reason_words()}};
    co_return json_response(200, body);
}

Task<http::Response> policies(Context& context) {
    if (!context.settings) co_return problem(503, "no configuration");
    co_return json_response(200, policies_view(*context.settings(), context.clock.now()));
}

Task<http::Response> check(Context& context, const http::Request& request) {
    auto asked = check_request(request.body);
    if (!asked) co_return problem(asked.error());
    if (!context.check) co_return problem(503, "checks are not available");
    if (context.checking >= checks_at_once) co_return problem(429, "several checks are running; try again shortly");
    const Turn turn(context.checking);
    json::object report = co_await context.check(std::move(*asked));
    co_return json_response(200, report);
}

Task<http::Response> tls_reports(Context& context, const http::Request& request) {
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

} // namespace danelaw::admin
