// DQ-001, H125: a process that takes mail in is killed again and again; whatever it had answered is there.
#include "store/store_support.hpp"

#include <boost/asio/detached.hpp>

#include <csignal>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

namespace danelaw::store {
namespace {

Task<void> keep_adding(Queue& queue, int pipe) {
    while (true) {
        auto m = sample({"a@one.example"}, SystemClock().now(), std::string(3000, 'k'));
        auto id = id_of(m);
        auto added = co_await queue.add(std::move(m));
        if (!added || ::write(pipe, id.data(), id.size()) != static_cast<ssize_t>(id.size())) ::_exit(1);
    }
}

[[noreturn]] void child(const std::string& directory, int pipe) {
    EmbeddedOptions options;
    options.directory = directory;
    auto opened = open_embedded(std::move(options));
    if (!opened) ::_exit(2);
    boost::asio::io_context context;
    for (int i = 0; i < 20; ++i)
        boost::asio::co_spawn(context, keep_adding(*opened->queue, pipe), boost::asio::detached);
    context.run();
    ::_exit(0);
}

// Reads ids until `enough` are there, kills the writer, and reads what it had still answered.
std::size_t one_life(const std::string& directory, std::size_t enough, std::set<std::string>& answered) {
    int ends[2];
    if (::pipe(ends) != 0) return 0;
    pid_t pid = ::fork();
    if (pid == 0) {
        ::close(ends[0]);
        child(directory, ends[1]);
    }
    ::close(ends[1]);
    std::size_t got = 0;
    char id[16];
    while (::read(ends[0], id, sizeof id) == static_cast<ssize_t>(sizeof id)) {
        answered.emplace(id, sizeof id);
        if (++got == enough) ::kill(pid, SIGKILL);
    }
    ::close(ends[0]);
    ::waitpid(pid, nullptr, 0);
    return got;
}

TEST(Kill, NothingAnsweredIsLost) {
    TempDirectory directory;
    std::set<std::string> answered;
    for (std::size_t life = 1; life <= 25; ++life) {
        ASSERT_GE(one_life(directory.path, 7 * life, answered), 7 * life);
        EmbeddedOptions options;
        options.directory = directory.path;
        auto opened = open_embedded(options);
        ASSERT_TRUE(opened) << opened.error().detail;
        EXPECT_TRUE(opened->problems.empty());
        for (const auto& id : answered) {
            ASSERT_TRUE(run(opened->queue->load(id))) << id << " in life " << life;
            ASSERT_EQ(run(opened->queue->read(id, 0))->size(), 3000U);
        }
        EXPECT_GE(run(opened->queue->counts())->messages, answered.size());
    }
}

TEST(Directory, IsLockedForOneProcess) {
    TempDirectory directory;
    EmbeddedOptions options;
    options.directory = directory.path;
    auto first = open_embedded(options);
    ASSERT_TRUE(first);
    auto second = open_embedded(options);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::unavailable);
    EXPECT_NE(second.error().detail.find("in use by process " + std::to_string(::getpid())), std::string::npos);
    first->queue.reset();
    EXPECT_TRUE(open_embedded(options));
}

} // namespace
} // namespace danelaw::store
