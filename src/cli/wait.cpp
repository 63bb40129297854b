// `danelaw queue flush --wait`: until each of the flushed recipients was tried once, or left the queue.
#include "fields.hpp"
#include "progress.hpp"
#include "remote.hpp"

#include <thread>

namespace danelaw::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr std::size_t page = 500;
constexpr auto shortest_pause = 200ms;
constexpr int pause_factor = 4; // asking takes at most a fifth of the time, however long the queue is

struct Open {
    std::uint64_t untried = 0, waiting = 0; // recipients not tried since the flush; all that are still queued
    int exit = Exit::ok;
};

void count(Open& open, const json::object& message, Time flushed) {
    for (const json::value& v : array_of(message, "recipients")) {
        const json::object& r = v.as_object();
        if (text_of(r, "state") != "queued") continue;
        ++open.waiting;
        const auto next = parse_rfc3339(text_of(r, "next_attempt"));
        if (next && *next <= flushed) ++open.untried;
    }
}

// State and reason change with the attempt: what no longer fits them was tried.
std::string target(const QueueAct& asked, const std::string& after) {
    std::string out = "/api/queue?limit=" + std::to_string(page);
    const auto add = [&out](const char* name, const std::string& value) {
        if (!value.empty()) out += std::string("&") + name + "=" + http::percent_encode(value);
    };
    add("domain", asked.domain);
    add("sender", asked.sender);
    add("reason", asked.reason);
    add("host", asked.host);
    add("older_than", asked.older_than);
    add("after", after);
    return out;
}

Open named(Daemon& daemon, const QueueAct& asked, Time flushed) {
    Open open;
    for (const std::string& id : asked.ids) {
        const Answer answer = daemon.get("/api/queue/" + http::percent_encode(id), Daemon::Missing::expected);
        if (answer.response.status == 404) continue; // delivered meanwhile
        if (answer.exit != Exit::ok) open.exit = answer.exit;
        if (answer.exit != Exit::ok) break;
        count(open, answer.json.as_object(), flushed);
    }
    return open;
}

Open found(Daemon& daemon, const QueueAct& asked, Time flushed) {
    Open open;
    std::string after;
    for (bool more = true; more;) {
        const Answer answer = daemon.get(target(asked, after));
        if (answer.exit != Exit::ok) {
            open.exit = answer.exit;
            break;
        }
        const json::array& all = answer.json.as_array();
        for (const json::value& m : all) count(open, m.as_object(), flushed);
        more = all.size() == page;
        if (more) after = all.back().at("id").as_string();
    }
    return open;
}

} // namespace

int wait_until_tried(Daemon& daemon, const QueueAct& asked, Time flushed, std::uint64_t recipients, Console console) {
    Progress progress(console.err, "recipients");
    progress.begin(recipients);
    for (;;) {
        const auto began = std::chrono::steady_clock::now();
        const Open open = asked.ids.empty() ? found(daemon, asked, flushed) : named(daemon, asked, flushed);
        if (open.exit != Exit::ok) return open.exit;
        progress.show(recipients - std::min(open.untried, recipients));
        if (open.untried == 0) {
            progress.end();
            if (!asked.remote.json) {
                console.out << "tried; " << open.waiting
                            << (open.waiting == 1 ? " recipient waits" : " recipients wait")
                            << " for another attempt\n";
            }
            return Exit::ok;
        }
        const auto took = std::chrono::steady_clock::now() - began;
        std::this_thread::sleep_for(std::max<std::chrono::steady_clock::duration>(shortest_pause, took * pause_factor));
    }
}

} // namespace danelaw::cli
