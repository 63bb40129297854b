// `danelaw queue migrate`: all queued mail from one store to the other, message by message; stopped half way it goes on
// where it was.
#include "commands.hpp"
#include "local.hpp"
#include "progress.hpp"

#include "danelaw/store/queue.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <iostream>

namespace danelaw::cli {
namespace {

namespace json = boost::json;
using store::Queue;

Result<store::Opened> open_store(const std::string& kind, const config::Settings& settings) {
    if (kind == "sqlite") {
        store::EmbeddedOptions options;
        options.directory = settings.queue.path;
        return store::open_embedded(std::move(options));
    }
    if (settings.queue.postgres.empty()) return fail(Errc::config, "queue.postgres is not set");
    store::PostgresOptions options;
    options.conninfo = settings.queue.postgres;
    return store::open_shared(std::move(options));
}

store::Task<Result<std::uint64_t>> move_all(Queue& from, Queue& to, Progress& progress) {
    auto counts = co_await from.counts();
    if (!counts) co_return fail(counts.error());
    progress.begin(counts->messages);
    co_return co_await store::migrate(from, to, SystemClock().now(),
                                      [&progress](std::uint64_t moved) { progress.show(moved); });
}

Result<std::uint64_t> run(Queue& from, Queue& to, Progress& progress) {
    boost::asio::io_context io;
    Result<std::uint64_t> moved = fail(Errc::unavailable, "not begun");
    auto ended = [&moved](const std::exception_ptr& bug, Result<std::uint64_t> answer) {
        if (bug) std::rethrow_exception(bug);
        moved = std::move(answer);
    };
    boost::asio::co_spawn(io, move_all(from, to, progress), std::move(ended));
    io.run();
    for (Queue* queue : {&from, &to}) queue->stop(); // their threads still let go of the loop's executor
    return moved;
}

int complain(Console console, const Error& error) {
    console.err << "danelaw: " << error.detail << "\n";
    return error.code == Errc::config ? Exit::usage : Exit::no;
}

} // namespace

int queue_migrate(const QueueMigrate& asked, Console console) {
    if (asked.from == asked.to) return complain(console, {Errc::config, "--from and --to are the same store"});
    const auto settings = local_settings(asked.config);
    if (!settings) return complain(console, settings.error());
    auto from = open_store(asked.from, *settings);
    if (!from) return complain(console, from.error());
    // What a running relay holds can't be moved from under it. The embedded queue can't be opened twice anyway.
    if (from->queue->sharing() > 1) {
        return complain(console, {Errc::unavailable, "relays work on this queue; stop them first"});
    }
    auto to = open_store(asked.to, *settings);
    if (!to) return complain(console, to.error());
    for (const std::string& p : from->problems) console.err << "danelaw: " << p << "\n";
    Progress progress(console.err);
    const auto moved = run(*from->queue, *to->queue, progress);
    progress.end();
    const auto damaged = from->queue->damaged();
    for (const std::string& d : damaged) console.err << "danelaw: damaged, left where it is: " << d << "\n";
    if (!moved) {
        console.err << "danelaw: " << moved.error().detail
                    << "; what was moved is safe, the command goes on from there\n";
        return Exit::no;
    }
    if (asked.json) {
        console.out << json::serialize(json::object{{"moved", *moved}, {"damaged", damaged.size()}}) << "\n";
    } else {
        console.out << "moved " << *moved << " messages from " << asked.from << " to " << asked.to << "\n";
    }
    return damaged.empty() ? Exit::ok : Exit::no;
}

} // namespace danelaw::cli
