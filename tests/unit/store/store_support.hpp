// What the store's tests share: a loop to run coroutines on, sample mail, and both kinds of store behind one world.
#pragma once

#include "danelaw/base/id.hpp"
#include "danelaw/base/limits.hpp"
#include "danelaw/store/queue.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::store {

// Runs a coroutine to its end on this thread.
template <class T> T run(Task<T> task) {
    boost::asio::io_context context;
    std::optional<T> result;
    auto done = [&result](std::exception_ptr error, T value) {
        if (error) std::rethrow_exception(error);
        result.emplace(std::move(value));
    };
    boost::asio::co_spawn(context, std::move(task), std::move(done));
    context.run();
    return std::move(*result);
}
inline void run(Task<void> task) {
    boost::asio::io_context context;
    auto done = [](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
    };
    boost::asio::co_spawn(context, std::move(task), std::move(done));
    context.run();
}
// All at once on one loop; answers in the tasks' order.
template <class T> std::vector<T> run_all(std::vector<Task<T>> tasks) {
    boost::asio::io_context context;
    std::vector<std::optional<T>> results(tasks.size());
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        auto done = [&results, i](std::exception_ptr error, T value) {
            if (error) std::rethrow_exception(error);
            results[i].emplace(std::move(value));
        };
        boost::asio::co_spawn(context, std::move(tasks[i]), std::move(done));
    }
    context.run();
    std::vector<T> answers;
    for (auto& r : results) answers.push_back(std::move(*r));
    return answers;
}

class TempDirectory {
  public:
    enum class Where { disk, memory }; // memory: when what is tested is not the disk
    explicit TempDirectory(Where where = Where::disk);
    ~TempDirectory();
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;
    std::string path;
};

Time at(std::int64_t seconds); // seconds after the tests' beginning of time

// A message received at `received` to these addresses, due at once.
NewMessage sample(const std::vector<std::string>& addresses, Time received = at(0),
                  std::string content = "Subject: x\r\n\r\nbody\r\n");
std::string id_of(const NewMessage& message);
RecipientUpdate update(std::uint32_t number, message::RecipientState state, Time next = at(0),
                       Reason reason = Reason::none);
Record record_of(const std::string& id, std::vector<RecipientUpdate> updates, std::vector<std::string> attempts = {});
ClaimRequest claim_at(Time now, std::size_t limit = 1000, std::size_t per_domain = 200);
Filter everything();

// One kind of store, empty at first; open() again after close() is a restart.
class World {
  public:
    virtual ~World() = default;
    virtual std::unique_ptr<Queue> open(std::size_t traces_most = 100000) = 0;
    virtual std::string why_not() const { return {}; } // not empty: skip, with this reason
    // What its database has done for queues that are closed: SQLite's steps, PostgreSQL's rows. Only differences mean
    // anything.
    virtual std::int64_t effort() = 0;
};
std::unique_ptr<World> embedded_world();
std::unique_ptr<World> postgres_world();

// A private PostgreSQL server on a unix socket, started once for all tests; why() says why there is none.
class PostgresServer {
  public:
    static PostgresServer& instance();
    const std::string& why() const { return why_; }
    std::string new_database(); // conninfo of an empty one
    void sql(const std::string& conninfo, const std::string& statement);
    std::int64_t number(const std::string& conninfo, const std::string& question); // the answer's first column

  private:
    PostgresServer();
    ~PostgresServer();
    std::string directory_, why_;
    int databases_ = 0;
};

} // namespace danelaw::store
