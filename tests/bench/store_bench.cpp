// How many messages a second the queue takes in and gets rid of, and what each costs in processor time.
// store_bench DIRECTORY|CONNINFO [MESSAGES] [FILL] [DOMAIN] [CALLERS]: for each number of callers at work (or for that
// one), every caller adds a message of 4 KiB and records its delivery, over and over; with FILL also what a queue of so
// many costs. A CONNINFO (it holds a "=") is PostgreSQL's.
// store_bench DIRECTORY|CONNINFO 0 FILL DOMAIN [DESTINATIONS]: only fills the queue, with mail for d0.DOMAIN …
// d99.DOMAIN that is due, or for so many destinations, each in one message, that rests for a day.
#include "danelaw/base/id.hpp"
#include "danelaw/store/queue.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace danelaw::store {
namespace {

double cpu_seconds() {
    rusage u{};
    ::getrusage(RUSAGE_SELF, &u);
    auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(u.ru_utime) + seconds(u.ru_stime);
}

std::string suffix = "example";
std::size_t destinations_of_one = 0; // 0: one of a hundred that all share

message::Recipient recipient(std::size_t destination, Time due) {
    message::Recipient r;
    r.domain = "d" + std::to_string(destination) + "." + suffix;
    r.address = "user@" + r.domain;
    r.next_attempt = due;
    return r;
}

NewMessage sample(std::size_t n) {
    NewMessage m;
    auto now = SystemClock().now();
    m.message.envelope.id = new_queue_id(now);
    m.message.envelope.reverse_path = "sender@example.org";
    m.message.envelope.received_at = now;
    m.content.assign(4096, 'x');
    if (destinations_of_one == 0) m.message.recipients.push_back(recipient(n % 100, now));
    for (std::size_t i = 0; i < destinations_of_one; ++i) {
        m.message.recipients.push_back(recipient(n * destinations_of_one + i, now + std::chrono::days(1)));
        m.message.recipients.back().number = static_cast<std::uint32_t>(i);
    }
    return m;
}

struct Totals {
    std::size_t left = 0, failed = 0;
    bool record = true;
};

Task<void> caller(Queue& queue, Totals& totals) {
    while (totals.left > 0) {
        auto message = sample(--totals.left);
        auto id = message.message.envelope.id;
        auto jobs = co_await queue.add(std::move(message), totals.record ? Claiming::now : Claiming::later);
        if (!jobs) ++totals.failed;
        if (!jobs || !totals.record) continue;
        Record record;
        record.id = id;
        if (!jobs->empty()) record.fence = jobs->front().fence;
        RecipientUpdate update;
        update.state = message::RecipientState::delivered;
        update.outcome =
            message::Outcome{Verdict::delivered, Reason::none, "mx.example", Level::dane_ee, 250, "2.0.0", "ok", false};
        record.updates.push_back(std::move(update));
        record.attempts.emplace_back(500, 'a');
        if (!co_await queue.record(std::move(record))) ++totals.failed;
    }
}

void measure(Queue& queue, std::size_t callers, std::size_t messages, const char* what, bool record) {
    boost::asio::io_context context;
    Totals totals{messages, 0, record};
    auto cpu = cpu_seconds();
    auto began = std::chrono::steady_clock::now();
    auto before = queue.stats();
    for (std::size_t i = 0; i < callers; ++i)
        boost::asio::co_spawn(context, caller(queue, totals), boost::asio::detached);
    context.run();
    std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began;
    auto after = queue.stats();
    auto n = static_cast<double>(messages);
    std::printf("%-12s callers %5zu  %8.0f msg/s  %6.1f us CPU/msg  %6.1f ops/commit  failed %zu\n", what, callers,
                n / wall.count(), (cpu_seconds() - cpu) / n * 1e6,
                static_cast<double>(after.operations - before.operations) /
                    static_cast<double>(std::max<std::uint64_t>(1, after.commits - before.commits)),
                totals.failed);
    std::fflush(stdout);
}

template <class T> T wait(Task<T> task) {
    boost::asio::io_context context;
    std::optional<T> result;
    auto done = [&result](std::exception_ptr, T value) { result.emplace(std::move(value)); };
    boost::asio::co_spawn(context, std::move(task), std::move(done));
    context.run();
    return std::move(*result);
}

template <class F> void timed(const char* what, F f) {
    auto began = std::chrono::steady_clock::now();
    std::string note = f();
    rusage u{};
    ::getrusage(RUSAGE_SELF, &u);
    std::printf("%-28s %8.1f ms  %s  (peak RSS %ld MiB)\n", what,
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count(),
                note.c_str(), u.ru_maxrss / 1024);
    std::fflush(stdout);
}

// What a queue of a million messages costs: start, first work, the operator's views, and the way out.
void large_queue(const EmbeddedOptions& options) {
    std::unique_ptr<Queue> queue;
    auto now = SystemClock().now();
    timed("open", [&] {
        auto opened = open_embedded(options);
        queue = std::move(opened->queue);
        return std::to_string(opened->problems.size()) + " problems";
    });
    ClaimRequest request;
    request.now = now;
    timed("first claim of 1000", [&] { return std::to_string(wait(queue->claim(request))->size()) + " jobs"; });
    timed("claim of 1000 more", [&] { return std::to_string(wait(queue->claim(request))->size()) + " jobs"; });
    request.per_domain = 5;
    timed("claim, all domains full", [&] { return std::to_string(wait(queue->claim(request))->size()) + " jobs"; });
    timed("next_due", [&] { return rfc3339(*wait(queue->next_due())); });
    timed("list 50", [&] { return std::to_string(wait(queue->list(Filter{}, 50, ""))->size()) + " messages"; });
    Filter filter;
    filter.domain = "d7.example";
    timed("list 50 of a domain",
          [&] { return std::to_string(wait(queue->list(filter, 50, ""))->size()) + " messages"; });
    filter = {};
    filter.sender = "nobody@example.org";
    timed("list, no match", [&] { return std::to_string(wait(queue->list(filter, 50, ""))->size()) + " messages"; });
    filter = {};
    filter.reason = "timeout";
    timed("list 50 by reason", [&] { return std::to_string(wait(queue->list(filter, 50, ""))->size()) + " messages"; });
    filter.reason = "dns-error";
    timed("list by reason, no match",
          [&] { return std::to_string(wait(queue->list(filter, 50, ""))->size()) + " messages"; });
    filter = {};
    filter.now = now;
    filter.older_than = std::chrono::seconds(1);
    timed("list 50 by age", [&] { return std::to_string(wait(queue->list(filter, 50, ""))->size()) + " messages"; });
    timed("counts", [&] { return std::to_string(wait(queue->counts())->messages) + " messages"; });
    timed("domains", [&] { return std::to_string(wait(queue->domains({.limit = 20}))->size()) + " domains"; });
    filter = {};
    filter.all = true;
    timed("hold all", [&] { return std::to_string(wait(queue->act(Queue::Action::hold, filter, now))->messages); });
    timed("release all",
          [&] { return std::to_string(wait(queue->act(Queue::Action::release, filter, now))->messages); });
    timed("remove all", [&] { return std::to_string(wait(queue->act(Queue::Action::remove, filter, now))->messages); });
    auto size = [&] { return std::filesystem::file_size(options.directory + "/queue.db") >> 20; };
    timed("space given back", [&] {
        auto before = size();
        for (auto [last, same] = std::pair(before, 0); same < 60 && last > 64; ::usleep(500000)) {
            same = size() == last ? same + 1 : 0;
            last = size();
        }
        return std::to_string(before) + " MiB to " + std::to_string(size()) + " MiB";
    });
}

} // namespace
} // namespace danelaw::store

int main(int argc, char** argv) {
    using namespace danelaw::store;
    if (argc < 2) {
        std::fprintf(stderr,
                     "usage: store_bench DIRECTORY|CONNINFO [MESSAGES] [FILL] [DOMAIN] [CALLERS|DESTINATIONS]\n");
        return 2;
    }
    std::size_t messages = argc > 2 ? static_cast<std::size_t>(std::atol(argv[2])) : 100000;
    std::size_t fill = argc > 3 ? static_cast<std::size_t>(std::atol(argv[3])) : 0;
    if (argc > 4) suffix = argv[4];
    const std::size_t last = argc > 5 ? static_cast<std::size_t>(std::atol(argv[5])) : 0;
    if (messages == 0 && fill > 0) destinations_of_one = last / fill;
    std::string where = argv[1];
    EmbeddedOptions embedded;
    embedded.directory = where;
    PostgresOptions shared;
    shared.conninfo = where;
    const bool is_shared = where.find('=') != std::string::npos;
    auto began = std::chrono::steady_clock::now();
    auto opened = is_shared ? open_shared(shared) : open_embedded(embedded);
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().detail.c_str());
        return 1;
    }
    std::printf("open %.0f ms\n",
                std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count());
    if (fill > 0) measure(*opened->queue, 512, fill, "add only", false);
    if (messages == 0) return 0;
    std::vector<std::size_t> all{1, 8, 64, 512};
    if (last > 0) all = {last};
    for (auto callers : all)
        measure(*opened->queue, callers, callers == 1 ? messages / 10 : messages, "add+record", true);
    if (fill == 0 || is_shared) return 0;
    opened->queue.reset();
    large_queue(embedded);
    return 0;
}
