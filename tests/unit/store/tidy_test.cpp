// What is done in idle moments, and what is not.
#include "store/store_support.hpp"

#include <thread>

namespace danelaw::store {
namespace {

// Mail that comes one by one pays for its own commits, not for an emptied log each; a rest empties it.
TEST(Tidy, TheLogIsEmptiedAfterARestNotAfterEachMessage) {
    TempDirectory d;
    EmbeddedOptions options;
    options.directory = d.path;
    auto opened = open_embedded(std::move(options));
    ASSERT_TRUE(opened) << opened.error().detail;
    auto& queue = opened->queue;
    const auto log = [&d] { return std::filesystem::file_size(d.path + "/queue.db-wal"); };
    std::uintmax_t before = 0;
    for (int n = 0; n < 5; ++n) {
        ASSERT_TRUE(run(queue->add(sample({"a@one.example"}, at(n)))));
        EXPECT_GT(log(), before);
        before = log();
        std::this_thread::sleep_for(std::chrono::milliseconds(60)); // the idle moment that is meant
    }
    for (int tries = 0; log() > 0 && tries < 1000; ++tries) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(log(), 0U);
}

} // namespace
} // namespace danelaw::store
