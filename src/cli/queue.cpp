// `danelaw queue …`, `status` and `tlsrpt`: questions to the daemon, printed as JSON or for people.
#include "remote.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

constexpr std::uint64_t page = 500;

std::string pair(const char* name, const std::string& value) {
    return value.empty() ? "" : std::string("&") + name + "=" + http::percent_encode(value);
}

int print_json(const Answer& answer, Console console) {
    if (answer.exit == Exit::ok) console.out << json::serialize(answer.json) << "\n";
    return answer.exit;
}

std::string id_path(const std::string& id) {
    return "/api/queue/" + http::percent_encode(id);
}

void add(json::object& o, const char* key, const std::string& value) {
    if (!value.empty()) o[key] = value;
}

std::uint64_t number_in(const Answer& answer, const char* key) {
    return answer.json.at(key).to_number<std::uint64_t>();
}

} // namespace

int queue_list(const QueueList& asked, Console console) {
    Daemon daemon(asked.remote, console);
    const std::string filter = pair("domain", asked.domain) + pair("sender", asked.sender) +
                               pair("state", asked.state) + pair("reason", asked.reason) + pair("host", asked.host) +
                               pair("older_than", asked.older_than);
    const Time now = SystemClock().now();
    std::uint64_t printed = 0;
    std::string after;
    bool begun = false; // a daemon that does not answer leaves no half array behind
    for (bool more = true; more;) {
        const std::uint64_t want = asked.limit == 0 ? page : std::min(page, asked.limit - printed);
        if (want == 0) break;
        const Answer answer = daemon.get("/api/queue?limit=" + std::to_string(want) + filter + pair("after", after));
        if (answer.exit != Exit::ok) return answer.exit;
        if (asked.remote.json && !std::exchange(begun, true)) console.out << "[";
        const json::array& all = answer.json.as_array();
        for (const json::value& m : all) {
            if (asked.remote.json) {
                console.out << (printed == 0 ? "" : ",\n ") << json::serialize(m);
            } else {
                render_message(console.out, m.as_object(), now);
            }
            ++printed;
        }
        more = all.size() == want;
        if (more) after = all.back().at("id").as_string();
    }
    if (asked.remote.json) {
        console.out << "]\n";
    } else {
        console.out << (printed == 0 ? "the queue is empty"
                                     : std::to_string(printed) + " message" + (printed == 1 ? "" : "s"))
                    << "\n";
    }
    return Exit::ok;
}

int queue_show(const Remote& remote, const std::string& id, Part part, Console console) {
    Daemon daemon(remote, console);
    const Answer answer = daemon.get(id_path(id));
    if (answer.exit != Exit::ok) return answer.exit;
    const json::object& message = answer.json.as_object();
    if (part == Part::facts) {
        if (remote.json) return print_json(answer, console);
        render_detail(console.out, message, SystemClock().now());
        return Exit::ok;
    }
    const auto header = message.at("header_size").to_number<std::uint64_t>();
    std::uint64_t at = 0;
    std::string text;
    for (std::uint64_t chunk = 0;; ++chunk) {
        const Answer piece = daemon.get(id_path(id) + "/content?chunk=" + std::to_string(chunk));
        if (piece.exit != Exit::ok) return piece.exit;
        std::string_view octets = piece.response.body;
        if (octets.empty() || (part == Part::headers && at >= header)) break;
        const std::uint64_t here = at;
        at += octets.size();
        if (part == Part::headers)
            octets = octets.substr(0, here < header ? std::min<std::uint64_t>(header - here, octets.size()) : 0);
        if (part == Part::body)
            octets.remove_prefix(here < header ? std::min<std::uint64_t>(header - here, octets.size()) : 0);
        if (remote.json) {
            text += octets;
        } else {
            console.out << octets;
        }
    }
    if (remote.json) {
        const json::object out{
            {"id", id},
            {part == Part::headers ? "headers" : "body", is_utf8(text) ? text : printable(text, text.size() * 4)}};
        console.out << json::serialize(out) << "\n";
    }
    return Exit::ok;
}

int queue_trace(const Remote& remote, const std::string& id, Console console) {
    Daemon daemon(remote, console);
    const Answer answer = daemon.get(id_path(id) + "/trace");
    if (answer.exit != Exit::ok || remote.json) return print_json(answer, console);
    render_trace(console.out, answer.json.as_object(), SystemClock().now());
    return Exit::ok;
}

int queue_act(const QueueAct& asked, Console console) {
    json::object body;
    json::array ids;
    for (const std::string& id : asked.ids) ids.emplace_back(id);
    if (!ids.empty()) body["ids"] = std::move(ids);
    add(body, "domain", asked.domain);
    add(body, "sender", asked.sender);
    add(body, "state", asked.state);
    add(body, "reason", asked.reason);
    add(body, "host", asked.host);
    add(body, "older_than", asked.older_than);
    if (asked.all) body["all"] = true;
    if (body.empty()) {
        console.err << "danelaw: name message ids, --domain, --sender or --all\n";
        return Exit::usage;
    }
    add(body, "text", asked.text);
    add(body, "status", asked.status);
    if (asked.arrivals) body["new"] = true;
    if (asked.dry_run) body["dry_run"] = true;
    Daemon daemon(asked.remote, console);
    const Answer answer = daemon.post("/api/queue/" + asked.action, body);
    if (answer.exit != Exit::ok) return answer.exit;
    const json::array& missing = answer.json.at("missing").as_array();
    for (const json::value& id : missing) {
        console.err << "danelaw: " << printable(std::string_view(id.as_string()), 64) << " is not in the queue\n";
    }
    if (asked.remote.json) {
        print_json(answer, console);
    } else {
        console.out << (asked.dry_run ? "would " : "") << asked.action << ": " << number_in(answer, "messages")
                    << " messages, " << number_in(answer, "recipients") << " recipients\n";
    }
    if (asked.wait && !asked.dry_run) {
        const Time flushed = SystemClock().now();
        const int waited = wait_until_tried(daemon, asked, flushed, number_in(answer, "recipients"), console);
        if (waited != Exit::ok) return waited;
    }
    return missing.empty() ? Exit::ok : Exit::no;
}

int queue_holds(const Remote& remote, Console console) {
    Daemon daemon(remote, console);
    const Answer answer = daemon.get("/api/holds");
    if (answer.exit != Exit::ok || remote.json) return print_json(answer, console);
    for (const json::value& v : answer.json.as_array()) {
        const auto text = [&v](const char* key) { return printable(std::string_view(v.at(key).as_string()), 320); };
        console.out << "mail" << (text("sender").empty() ? "" : " from " + text("sender"))
                    << (text("domain").empty() ? "" : " to " + text("domain")) << " is held on arrival since "
                    << text("since") << "\n";
    }
    return Exit::ok;
}

int status(const Remote& remote, Console console) {
    Daemon daemon(remote, console);
    const Answer answer = daemon.get("/api/status");
    if (answer.exit != Exit::ok || remote.json) return print_json(answer, console);
    render_status(console.out, answer.json.as_object());
    return Exit::ok;
}

int tlsrpt_show(const Remote& remote, const std::string& day, Console console) {
    Daemon daemon(remote, console);
    return print_json(daemon.get("/api/tlsrpt?x=" + pair("day", day)), console);
}

int tlsrpt_send(const Remote& remote, const std::string& day, bool dry_run, Console console) {
    Daemon daemon(remote, console);
    const json::object nothing;
    return print_json(
        daemon.post("/api/tlsrpt?dry_run=" + std::string(dry_run ? "1" : "0") + pair("day", day), nothing), console);
}

} // namespace danelaw::cli
