// Looking at the queue and acting on it, over HTTP.
#include "queue_api.hpp"

#include "endpoints.hpp"

#include "danelaw/admin/views.hpp"
#include "danelaw/base/id.hpp"
#include "danelaw/delivery/hold_rules.hpp"
#include "danelaw/dns/name.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <optional>

namespace danelaw::admin {
namespace {

namespace json = boost::json;
using Action = store::Queue::Action;

constexpr std::size_t page_most = 1000;        // messages of one answer; `after` asks for the next page
constexpr std::size_t recipients_most = 65536; // a message has no more

std::string_view word(Action a) {
    switch (a) {
    case Action::flush: return "flush";
    case Action::hold: return "hold";
    case Action::release: return "release";
    case Action::remove: return "delete";
    case Action::bounce: return "bounce";
    }
    return "";
}

// The lane's form of a domain, so that Example.COM finds example.com.
std::string lane(const std::string& domain) {
    const auto name = dns::Name::from(domain);
    return name ? name->text() : lower(domain);
}

Result<store::Filter> filter_from(const json::object& o, Time now) {
    store::Filter f;
    f.now = now;
    for (const auto& member : o) {
        const std::string_view key = member.key();
        const json::value& v = member.value();
        if (key == "all" && v.is_bool()) {
            f.all = v.get_bool();
        } else if (key == "ids" && v.is_array()) {
            for (const json::value& id : v.get_array()) {
                if (!id.is_string()) return fail(Errc::parse, "ids must be texts");
                f.ids.emplace_back(std::string_view(id.get_string()));
            }
        } else if (v.is_string()) {
            const std::string text(std::string_view(v.get_string()));
            if (key == "domain")
                f.domain = lane(text);
            else if (key == "sender")
                f.sender = text;
            else if (key == "state")
                f.state = text;
            else if (key == "reason")
                f.reason = text;
            else if (key == "host")
                f.host = text;
            else if (key == "older_than") {
                f.older_than = parse_duration(text);
                if (!f.older_than) return fail(Errc::parse, "older_than must be a duration such as 4h");
            } else
                return fail(Errc::parse, "unknown key " + printable(key, 64));
        } else {
            return fail(Errc::parse, "unknown key or wrong kind of value: " + printable(key, 64));
        }
    }
    return f;
}

// What an action was asked besides its filter.
struct How {
    bool dry_run = false;
    bool arrivals = false; // hold and release: also what comes later
    BounceWords words;
};

bool is_permanent_status(const std::string& s) {
    const auto parts = split(s, '.');
    return parts.size() == 3 && parts[0] == "5" && parse_number(parts[1]).value_or(1000) < 1000 &&
           parse_number(parts[2]).value_or(1000) < 1000;
}

// Takes its keys out of `o`.
Result<How> how_from(json::object& o, Action action) {
    How how;
    const auto flag = [&o](std::string_view key) {
        const json::value* v = o.if_contains(key);
        const bool set = v != nullptr && v->is_bool() && v->get_bool();
        if (v != nullptr && v->is_bool()) o.erase(key);
        return set;
    };
    how.dry_run = flag("dry_run");
    how.arrivals = flag("new");
    const auto text = [&o](std::string_view key, std::string& into) {
        const json::value* v = o.if_contains(key);
        if (v == nullptr || !v->is_string()) return;
        into = printable(std::string_view(v->get_string()), 500);
        o.erase(key);
    };
    if (action == Action::bounce) {
        text("text", how.words.text);
        text("status", how.words.status);
        if (!is_permanent_status(how.words.status)) return fail(Errc::parse, "status must be like 5.1.1");
    }
    if (!how.arrivals) return how;
    if (action != Action::hold && action != Action::release) return fail(Errc::parse, "new is for hold and release");
    for (const auto& member : o)
        if (member.key() != "domain" && member.key() != "sender")
            return fail(Errc::parse, "what arrives can be held by domain and sender only");
    if (o.empty()) return fail(Errc::parse, "name a domain or a sender");
    return how;
}

json::object acted_view(const store::Queue::Acted& acted) {
    json::array missing;
    for (const std::string& id : acted.missing) missing.emplace_back(id);
    return {{"messages", acted.messages}, {"recipients", acted.recipients}, {"missing", std::move(missing)}};
}

bool known_state(const std::string& s) {
    return s.empty() || s == "active" || s == "deferred" || s == "held";
}

} // namespace

http::Response json_response(int status, const json::value& body) {
    http::Response r;
    r.status = status;
    r.headers.push_back({"Content-Type", "application/json"});
    r.body = json::serialize(body) + "\n";
    return r;
}

http::Response problem(int status, std::string_view text) {
    const json::object body{{"error", text}};
    return json_response(status, body);
}

http::Response problem(const Error& error) {
    switch (error.code) {
    case Errc::not_found: return problem(404, error.detail);
    case Errc::parse:
    case Errc::config:
    case Errc::limit: return problem(400, error.detail);
    case Errc::io:
    case Errc::closed:
    case Errc::timeout:
    case Errc::cancelled:
    case Errc::tls:
    case Errc::dns:
    case Errc::full:
    case Errc::damaged:
    case Errc::unavailable:
    case Errc::stale: return problem(503, error.detail);
    }
    return problem(500, error.detail);
}

Task<http::Response> list_messages(Context& context, const http::Request& request) {
    store::Filter f;
    f.now = context.clock.now();
    f.domain = lane(request.query("domain").value_or(""));
    f.sender = request.query("sender").value_or("");
    f.state = request.query("state").value_or("");
    f.reason = request.query("reason").value_or("");
    f.host = request.query("host").value_or("");
    if (const auto older = request.query("older_than")) {
        f.older_than = parse_duration(*older);
        if (!f.older_than) co_return problem(400, "older_than must be a duration such as 4h");
    }
    if (!known_state(f.state)) co_return problem(400, "state must be active, deferred or held");
    const auto limit = number_asked(request, "limit", page_most, page_most);
    if (!limit) co_return problem(limit.error());
    std::optional<std::size_t> recipients; // of each message; not asked: all
    if (request.query("recipients")) {
        const auto asked = number_asked(request, "recipients", 0, recipients_most);
        if (!asked) co_return problem(asked.error());
        recipients = *asked;
    }
    std::string after = request.query("after").value_or("");
    auto found = co_await context.queue.list(std::move(f), *limit, std::move(after));
    if (!found) co_return problem(found.error());
    json::array all;
    for (const store::Message& m : *found) all.push_back(recipients ? brief_view(m, *recipients) : message_view(m));
    co_return json_response(200, all);
}

Task<http::Response> show_message(Context& context, std::string id) {
    auto found = co_await context.queue.load(std::move(id));
    if (!found) co_return problem(found.error());
    co_return json_response(200, detail_view(*found));
}

Task<http::Response> show_trace(Context& context, std::string id) {
    auto found = co_await context.queue.trace(std::move(id));
    if (!found) co_return problem(found.error());
    co_return json_response(200, trace_view(*found));
}

Task<http::Response> show_content(Context& context, std::string id, const http::Request& request) {
    const auto chunk = parse_number(request.query("chunk").value_or("0"));
    if (!chunk || *chunk > 0xffffffffu) co_return problem(400, "chunk must be a number");
    auto octets = co_await context.queue.read(std::move(id), static_cast<std::uint32_t>(*chunk));
    if (!octets) co_return problem(octets.error());
    http::Response r;
    // Never rendered by a browser: it is somebody's mail.
    r.headers.push_back({"Content-Type", "application/octet-stream"});
    r.body = std::move(*octets);
    co_return r;
}

Task<http::Response> act_on_queue(Context& context, Action action, const http::Request& request) {
    boost::system::error_code wrong;
    const json::value body = json::parse(request.body.empty() ? "{}" : request.body, wrong);
    if (wrong || !body.is_object()) co_return problem(400, "the body must be a JSON object");
    json::object named = body.get_object();
    const auto how = how_from(named, action);
    if (!how) co_return problem(how.error());
    auto filter = filter_from(named, context.clock.now());
    if (!filter) co_return problem(filter.error());
    if (!filter->all && store::names_nothing(*filter)) co_return problem(400, "name ids, a domain, a sender, or all");
    if (!known_state(filter->state)) co_return problem(400, "state must be active, deferred or held");
    Result<store::Queue::Acted> acted;
    if (how->dry_run) {
        acted = co_await preview(context, action, *filter);
        if (!acted) co_return problem(acted.error());
        co_return json_response(200, acted_view(*acted));
    }
    if (how->arrivals) {
        const delivery::HoldRule rule{filter->domain, filter->sender, context.clock.now()};
        auto kept = action == Action::hold ? co_await delivery::add_hold(context.queue, rule)
                                           : co_await delivery::remove_hold(context.queue, rule);
        if (!kept) co_return problem(kept.error());
        if (context.holds_changed) context.holds_changed();
    }
    if (action == Action::bounce) {
        acted = co_await bounce(context, *filter, how->words);
    } else {
        acted = co_await context.queue.act(action, *filter, context.clock.now());
    }
    if (!acted) co_return problem(acted.error());
    context.log.event(log::Level::info, "admin",
                      {{"action", word(action)},
                       {"filter", body},
                       {"messages", acted->messages},
                       {"recipients", acted->recipients},
                       {"client", request.peer.empty() ? "unix" : std::string_view(request.peer)}});
    if ((action == Action::flush || action == Action::release) && context.flushed) context.flushed();
    if (action == Action::remove) {
        for (const std::string& id : acted->ids) context.log.event(log::Level::info, "removed", {{"id", id}});
    }
    co_return json_response(200, acted_view(*acted));
}

Task<http::Response> show_holds(Context& context) {
    auto rules = co_await delivery::hold_rules(context.queue);
    if (!rules) co_return problem(rules.error());
    json::array all;
    for (const delivery::HoldRule& r : *rules)
        all.push_back(json::object{{"domain", r.domain}, {"sender", r.sender}, {"since", rfc3339(r.since)}});
    co_return json_response(200, all);
}

} // namespace danelaw::admin
