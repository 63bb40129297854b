// A file system that is really full: new mail is refused, nothing accepted is lost, and outcomes can still be recorded
// because the ballast is given up for them.
#include "store/store_support.hpp"

#include <cstdio>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace danelaw::store {
namespace {

using message::RecipientState;

struct Failed {
    std::string what;
};
void check(bool holds, const std::string& what) {
    if (!holds) throw Failed{what};
}

std::unique_ptr<Queue> open(const std::string& directory) {
    EmbeddedOptions options;
    options.directory = directory;
    options.ballast = 20 << 20;
    auto opened = open_embedded(std::move(options));
    check(opened && opened->problems.empty(), "opens without problems");
    return std::move(opened->queue);
}

// Adds until the disk is full; what was answered. Filling goes down to the last small message.
std::vector<std::string> fill(Queue& queue) {
    std::vector<std::string> ids;
    for (std::size_t size : {std::size_t{60000}, std::size_t{3000}, std::size_t{10}}) {
        while (true) {
            auto m = sample({"a@one.example"}, at(0), std::string(size, 'f'));
            auto id = id_of(m);
            auto added = run(queue.add(std::move(m)));
            if (!added) {
                check(added.error().code == Errc::full, added.error().detail);
                break;
            }
            ids.push_back(id);
        }
    }
    return ids;
}

void on_a_full_disk(const std::string& directory) {
    auto queue = open(directory);
    auto ids = fill(*queue);
    check(ids.size() > 100, "takes some mail first");
    check(!queue->stats().failed, "a full disk is no failure of the store");
    std::size_t half = ids.size() / 2;
    for (std::size_t i = 0; i < half; ++i) {
        auto recorded =
            run(queue->record(record_of(ids[i], {update(0, RecipientState::delivered)}, {"{\"attempt\":1}"})));
        check(recorded && recorded->removed, recorded ? std::string("removed") : recorded.error().detail);
    }
    queue = nullptr;
    queue = open(directory);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        auto there = run(queue->load(ids[i]));
        check(there.has_value() == (i >= half), "exactly what was not delivered is there after a restart");
        if (there) check(!run(queue->read(ids[i], 0))->empty(), "with its content");
    }
    check(run(queue->add(sample({"a@one.example"}))).has_value(), "there is room again");
}

TEST(FullDisk, OutcomesAreRecordedAndNothingIsLost) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount a small tmpfs";
    TempDirectory directory;
    pid_t pid = ::fork();
    if (pid == 0) {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", directory.path.c_str(), "tmpfs", 0, "size=96m") != 0)
            ::_exit(77);
        try {
            on_a_full_disk(directory.path + "/queue");
        } catch (const Failed& f) {
            std::fprintf(stderr, "does not hold: %s\n", f.what.c_str());
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespace here";
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

} // namespace
} // namespace danelaw::store
