// DQ-001, DQ-002, DQ-003, H125: a script of operations rerun with the disk failing at every single step.
#include "store/fault_vfs_support.hpp"
#include "store/store_support.hpp"

#include <array>
#include <map>

namespace danelaw::store {
namespace {

using message::RecipientState;

struct Told {                                   // what callers were answered, i.e. what must hold after recovery
    std::map<std::string, std::string> present; // id → content
    std::map<std::string, std::string> maybe;   // asked for, not answered: whole or absent
    std::map<std::string, std::string> leaving; // its last outcome was not answered: present whole, or gone
    std::map<std::string, std::uint32_t> attempts;
    std::string gone; // delivered and answered
};

struct MemoryDirectory : TempDirectory { // the fault VFS is the disk
    MemoryDirectory() : TempDirectory(Where::memory) {}
};

std::unique_ptr<Queue> open_forgetful(const std::string& directory) {
    EmbeddedOptions options;
    options.directory = directory;
    options.vfs = "forgetful";
    options.ballast = 4096;
    auto opened = open_embedded(std::move(options));
    return opened ? std::move(opened->queue) : nullptr;
}

void add(Queue& queue, NewMessage m, Told& told, const std::string& content) {
    auto id = id_of(m);
    if (run(queue.add(std::move(m)))) {
        told.present[id] = content;
    } else {
        told.maybe[id] = content;
    }
}

void script(const std::string& directory, Told& told) {
    auto first = sample({"a@one.example", "b@two.example"}, at(0), std::string(9000, '1'));
    auto large = sample({"a@one.example"}, at(1), "");
    auto third = sample({"c@one.example"}, at(2), "third");
    std::string whole = std::string(limits::chunk, 'x') + "tail";
    {
        auto queue = open_forgetful(directory);
        if (!queue) return;
        add(*queue, first, told, first.content);
        bool appended = run(queue->append(id_of(large), 0, whole.substr(0, limits::chunk))) &&
                        run(queue->append(id_of(large), 1, "tail"));
        if (appended) {
            large.message.envelope.content.size = whole.size();
            add(*queue, large, told, whole);
        }
        (void)run(queue->append("0123456789ABCDEF", 0, "orphan"));
    } // closing empties the log into the database
    auto queue = open_forgetful(directory);
    if (!queue) return;
    if (run(queue->record(record_of(id_of(first), {update(0, RecipientState::queued, at(60))}, {"try"}))))
        told.attempts[id_of(first)] = 1;
    auto bounce = record_of(id_of(large), {update(0, RecipientState::bounced)});
    bounce.notices.push_back(sample({"sender@example.org"}, at(3), "DSN"));
    auto notice = id_of(bounce.notices[0]);
    if (told.present.contains(id_of(large))) {
        told.leaving[id_of(large)] = whole;
        told.present.erase(id_of(large));
        if (run(queue->record(bounce))) {
            told.gone = id_of(large);
            told.present[notice] = "DSN";
            told.leaving.clear();
        } else {
            told.maybe[notice] = "DSN";
        }
    }
    add(*queue, third, told, "third");
}

std::optional<std::string> content(Queue& queue, const std::string& id) {
    auto message = run(queue.load(id));
    if (!message) {
        EXPECT_EQ(message.error().code, Errc::not_found) << message.error().detail;
        return std::nullopt;
    }
    std::string all;
    for (std::uint32_t n = 0;; ++n) {
        auto piece = run(queue.read(id, n));
        EXPECT_TRUE(piece) << piece.error().detail;
        if (!piece || piece->empty()) return all;
        all += *piece;
    }
}

void verify(const std::string& directory, const Told& told) {
    EmbeddedOptions options;
    options.directory = directory;
    options.ballast = 0;
    options.vfs = "forgetful"; // without a fault: as the real disk, only faster
    auto opened = open_embedded(std::move(options));
    ASSERT_TRUE(opened) << opened.error().detail;
    EXPECT_TRUE(opened->problems.empty()) << opened->problems.front();
    auto& queue = *opened->queue;
    std::size_t found = told.present.size();
    for (const auto& [id, want] : told.present) EXPECT_EQ(content(queue, id), want);
    bool notice_there = false;
    for (const auto& [id, want] : told.maybe) {
        auto got = content(queue, id);
        if (got) EXPECT_EQ(*got, want); // DQ-002: whole or nothing
        if (got) ++found;
        notice_there = notice_there || (got && want == "DSN");
    }
    for (const auto& [id, want] : told.leaving) { // DQ-004: closed and notice queued, or neither
        auto got = content(queue, id);
        EXPECT_EQ(got.has_value(), !notice_there);
        if (got) ++found;
    }
    for (const auto& [id, n] : told.attempts) EXPECT_EQ(run(queue.load(id))->recipients[0].attempts, n);
    if (!told.gone.empty()) EXPECT_FALSE(content(queue, told.gone));
    EXPECT_EQ(run(queue.counts())->messages, found);
    std::size_t due = run(queue.claim(claim_at(at(1000))))->size(); // every recipient is still going to be tried
    EXPECT_GE(due, told.present.size());
}

TEST(PowerLoss, EveryAnsweredMessageSurvivesAtEveryStep) {
    fault::install();
    for (std::uint64_t step = 1;; ++step) {
        MemoryDirectory live;
        Told told;
        fault::reset(fault::Fault::power_loss, step);
        script(live.path, told);
        bool struck = fault::struck();
        constexpr std::array modes{fault::Unsynced::lost, fault::Unsynced::kept, fault::Unsynced::some};
        std::array<MemoryDirectory, modes.size()> after;
        for (std::size_t i = 0; i < modes.size(); ++i) fault::materialize(after[i].path, modes[i], step);
        for (std::size_t i = 0; i < modes.size(); ++i) {
            fault::reset(fault::Fault::none, 0);
            SCOPED_TRACE("step " + std::to_string(step) + " mode " + std::to_string(i));
            verify(after[i].path, told);
            if (HasFatalFailure() || HasNonfatalFailure()) return;
        }
        if (!struck) {
            EXPECT_GT(step, 50U);
            EXPECT_EQ(told.present.size(), 3U);
            return;
        }
    }
}

// The disk is full for one write: that operation fails with errc::full, what was answered stays, what comes later
// works.
TEST(DiskFull, OnceAtEveryStep) {
    fault::install();
    for (std::uint64_t step = 1;; ++step) {
        MemoryDirectory live;
        Told told;
        fault::reset(fault::Fault::full_once, step);
        script(live.path, told);
        bool struck = fault::struck();
        fault::reset(fault::Fault::none, 0);
        SCOPED_TRACE("step " + std::to_string(step));
        verify(live.path, told);
        if (HasFatalFailure() || HasNonfatalFailure() || !struck) return;
    }
}

TEST(DiskFull, NewMailIsRefusedButNothingIsLost) {
    fault::install();
    fault::reset(fault::Fault::none, 0);
    MemoryDirectory live;
    auto queue = open_forgetful(live.path);
    ASSERT_TRUE(queue);
    auto m = sample({"a@one.example"});
    ASSERT_TRUE(run(queue->add(m)));
    fault::reset(fault::Fault::full_from_here, 1);
    auto refused = run(queue->add(sample({"b@one.example"})));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::full);
    auto got = run(queue->load(id_of(m)));
    EXPECT_TRUE(got) << got.error().detail;
    EXPECT_FALSE(queue->stats().failed);
    fault::reset(fault::Fault::none, 0);
    EXPECT_TRUE(run(queue->add(sample({"b@one.example"}))));
    EXPECT_TRUE(
        run(queue->record(record_of(id_of(m), {update(0, RecipientState::delivered)})))); // H127: recorded again
}

// DQ-003: a failed fsync is the loss of that write, and nothing more is written until a restart.
TEST(SyncError, FailsTheStoreAtEverySync) {
    fault::install();
    int failed = 0;
    for (std::uint64_t step = 1; step < 200; ++step) {
        MemoryDirectory live;
        fault::reset(fault::Fault::none, 0);
        auto queue = open_forgetful(live.path);
        ASSERT_TRUE(queue);
        fault::reset(fault::Fault::sync_error, step);
        auto m = sample({"a@one.example"});
        auto added = run(queue->add(m));
        if (!fault::struck()) break;
        if (!queue->stats().failed) continue; // that step was not a sync
        ++failed;
        EXPECT_EQ(added.error().code, Errc::io);
        auto steps = fault::steps();
        EXPECT_EQ(run(queue->add(sample({"a@one.example"}))).error().code, Errc::unavailable);
        EXPECT_EQ(fault::steps(), steps); // no second fsync, no write
    }
    EXPECT_GE(failed, 1);
}

} // namespace
} // namespace danelaw::store
