// DQ-008, DQ-064, H126: start, serve the rest, set aside and name what is damaged; never delete, never touch what is
// newer.
#include "store/store_support.hpp"

#include <algorithm>
#include <fstream>
#include <sqlite3.h>

namespace danelaw::store {
namespace {

using message::RecipientState;

void sql(const std::string& directory, const std::string& statement) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open((directory + "/queue.db").c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, statement.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(db);
}

Result<Opened> open(const std::string& directory) {
    EmbeddedOptions options;
    options.directory = directory;
    options.ballast = 0;
    return open_embedded(std::move(options));
}

// A directory with `n` messages of 3 KiB, closed; their ids.
std::vector<std::string> filled(const std::string& directory, int n) {
    auto opened = open(directory);
    std::vector<std::string> ids;
    std::vector<Task<Result<std::vector<Job>>>> tasks;
    for (int i = 0; i < n; ++i) {
        auto m = sample({"a@d" + std::to_string(i % 7) + ".example"}, at(i),
                        std::string(3000, static_cast<char>('a' + i % 26)));
        ids.push_back(id_of(m));
        tasks.push_back(opened->queue->add(std::move(m)));
    }
    run_all(std::move(tasks));
    return ids;
}

bool names(const std::vector<std::string>& problems, const std::string& id) {
    return std::ranges::any_of(problems, [&](const auto& p) { return p.find(id) != std::string::npos; });
}

void expect_set_aside(const std::string& directory, const std::vector<std::string>& ids, const std::string& bad,
                      const char* why) {
    auto opened = open(directory);
    ASSERT_TRUE(opened) << opened.error().detail;
    auto damaged = opened->queue->damaged();
    ASSERT_EQ(damaged.size(), 1U);
    EXPECT_EQ(damaged[0].substr(0, bad.size()), bad);
    EXPECT_NE(damaged[0].find(why), std::string::npos) << damaged[0];
    auto jobs = run(opened->queue->claim(claim_at(at(1000))));
    ASSERT_TRUE(jobs);
    EXPECT_EQ(jobs->size(), ids.size() - 1);
    for (const auto& j : *jobs) EXPECT_NE(j.id, bad);
}

TEST(Damage, EnvelopeOfAFutureVersion) {
    TempDirectory d;
    auto ids = filled(d.path, 5);
    {
        sql(d.path,
            "UPDATE message SET envelope = CAST(x'07' || substr(envelope, 2) AS BLOB) WHERE id = '" + ids[2] + "'");
    }
    expect_set_aside(d.path, ids, ids[2], "envelope");
}

// DQ-010: a count of open recipients that is too low ends no message that somebody waits for.
TEST(Damage, AWrongCountEndsNoMessage) {
    TempDirectory d;
    auto opened = open(d.path);
    ASSERT_TRUE(opened);
    for (const bool remove : {false, true}) {
        auto m = sample({"a@one.example", "b@two.example"});
        ASSERT_TRUE(run(opened->queue->add(m, Claiming::later)));
        sql(d.path, "UPDATE message SET open = 1");
        Filter first;
        first.domain = "one.example";
        if (remove) {
            EXPECT_EQ(run(opened->queue->act(Queue::Action::remove, first, at(1)))->recipients, 1U);
        } else {
            EXPECT_FALSE(
                run(opened->queue->record(record_of(id_of(m), {update(0, RecipientState::delivered)})))->removed);
        }
        EXPECT_EQ(run(opened->queue->counts())->recipients, 1U);
        EXPECT_TRUE(run(opened->queue->record(record_of(id_of(m), {update(1, RecipientState::delivered)})))->removed);
    }
}

TEST(Damage, DeletedChunk) {
    TempDirectory d;
    auto ids = filled(d.path, 5);
    sql(d.path, "DELETE FROM chunk WHERE key >> 16 = (SELECT num FROM message WHERE id = '" + ids[1] + "')");
    expect_set_aside(d.path, ids, ids[1], "missing");
    auto again = open(d.path); // it stays named, and stays there
    EXPECT_TRUE(names(again->queue->damaged(), ids[1]));
}

TEST(Damage, RottenContent) {
    TempDirectory d;
    auto ids = filled(d.path, 5);
    sql(d.path, "UPDATE chunk SET octets = CAST('X' || substr(octets, 2) AS BLOB) WHERE key >> 16 = (SELECT num FROM "
                "message WHERE id = '" +
                    ids[4] + "')");
    expect_set_aside(d.path, ids, ids[4], "checksum");
}

TEST(Damage, MetWhileReadingIsSetAsideThen) {
    TempDirectory d;
    auto ids = filled(d.path, 3);
    auto opened = open(d.path);
    sql(d.path,
        "UPDATE chunk SET crc = crc + 1 WHERE key >> 16 = (SELECT num FROM message WHERE id = '" + ids[0] + "')");
    EXPECT_EQ(run(opened->queue->read(ids[0], 0)).error().code, Errc::damaged);
    EXPECT_EQ(run(opened->queue->claim(claim_at(at(1000))))->size(), 2U);
    ASSERT_EQ(opened->queue->damaged().size(), 1U);
    EXPECT_TRUE(names(opened->queue->damaged(), ids[0]));
    EXPECT_EQ(run(opened->queue->list(Filter{}, 50, ""))->size(), 2U);
}

// Every page zeroed in turn: the start succeeds, what was saved is whole, and every other message is named or in the
// file kept.
TEST(Damage, AnyZeroedPage) {
    TempDirectory source;
    auto ids = filled(source.path, 40);
    auto size = std::filesystem::file_size(source.path + "/queue.db");
    std::size_t most_saved = 0;
    for (std::uint64_t page = 1; page < size / 4096; page += page < 40 ? 1 : 7) {
        TempDirectory d(TempDirectory::Where::memory);
        std::filesystem::copy_file(source.path + "/queue.db", d.path + "/queue.db");
        {
            std::fstream f(d.path + "/queue.db", std::ios::in | std::ios::out | std::ios::binary);
            f.seekp(static_cast<std::streamoff>(page * 4096));
            f << std::string(4096, '\0');
        }
        SCOPED_TRACE("page " + std::to_string(page));
        auto opened = open(d.path);
        ASSERT_TRUE(opened) << opened.error().detail;
        std::size_t there = 0, named = 0;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            auto whole = run(opened->queue->read(ids[i], 0));
            if (run(opened->queue->load(ids[i])) && whole) {
                ++there;
                EXPECT_EQ(*whole, std::string(3000, static_cast<char>('a' + i % 26)));
            } else if (names(opened->queue->damaged(), ids[i])) {
                ++named;
            }
        }
        most_saved = std::max(most_saved, there);
        EXPECT_EQ(there + named, ids.size());
        EXPECT_TRUE(run(opened->queue->add(sample({"new@one.example"}))));
        auto jobs = run(opened->queue->claim(claim_at(at(1000))));
        ASSERT_TRUE(jobs) << jobs.error().detail;
        EXPECT_EQ(jobs->size(), there);
    }
    EXPECT_EQ(most_saved, ids.size());
}

TEST(Damage, TruncatedLog) {
    TempDirectory d;
    auto source = open(d.path);
    ASSERT_TRUE(source);
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) {
        auto m = sample({"a@one.example"}, at(i), std::string(3000, 'x'));
        ids.push_back(id_of(m));
        ASSERT_TRUE(run(source->queue->add(m)));
    }
    TempDirectory copy;
    for (const char* name : {"/queue.db", "/queue.db-wal"})
        if (std::filesystem::exists(d.path + name)) std::filesystem::copy_file(d.path + name, copy.path + name);
    auto wal = copy.path + "/queue.db-wal";
    ASSERT_TRUE(std::filesystem::exists(wal)); // the log is emptied after a second's rest, no sooner
    ASSERT_GT(std::filesystem::file_size(wal), 10000U);
    std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 5000);
    auto opened = open(copy.path);
    ASSERT_TRUE(opened) << opened.error().detail;
    auto count = run(opened->queue->counts())->messages;
    EXPECT_GE(count, 4U); // the end of the log is gone, and nothing else
    EXPECT_EQ(run(opened->queue->claim(claim_at(at(1000))))->size(), count);
}

// DQ-064: a queue of version 1, with what its last attempts led to.
TEST(Damage, OlderSchemaIsMigrated) {
    TempDirectory d;
    auto m = sample({"a@one.example"});
    {
        auto opened = open(d.path);
        ASSERT_TRUE(run(opened->queue->add(m)));
        ASSERT_TRUE(run(
            opened->queue->record(record_of(id_of(m), {update(0, RecipientState::queued, at(70), Reason::timeout)}))));
    }
    sql(d.path, "DROP INDEX message_sender; DROP INDEX recipient_reason; DROP INDEX recipient_host; ALTER TABLE "
                "recipient DROP COLUMN reason; "
                "ALTER TABLE recipient DROP COLUMN host; PRAGMA user_version = 1");
    auto opened = open(d.path);
    ASSERT_TRUE(opened) << opened.error().detail;
    Filter by_reason, by_host;
    by_reason.reason = "timeout";
    by_host.host = ".example.com";
    EXPECT_EQ(run(opened->queue->list(by_reason, 5, ""))->size(), 1U);
    EXPECT_EQ(run(opened->queue->list(by_host, 5, ""))->size(), 1U);
    opened->queue.reset();
    sql(d.path, "DROP INDEX message_sender; PRAGMA user_version = 2");
    opened = open(d.path);
    ASSERT_TRUE(opened) << opened.error().detail;
    Filter by_sender;
    by_sender.sender = "Sender@example.org";
    EXPECT_EQ(run(opened->queue->list(by_sender, 5, ""))->size(), 1U);
    EXPECT_EQ(run(opened->queue->claim(claim_at(at(80))))->size(), 1U);
}

TEST(Damage, NewerSchemaIsRefusedUntouched) {
    TempDirectory d;
    filled(d.path, 2);
    sql(d.path, "PRAGMA user_version = 99");
    std::ifstream before(d.path + "/queue.db", std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(before)), {});
    auto opened = open(d.path);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::config);
    EXPECT_NE(opened.error().detail.find("version 99"), std::string::npos);
    std::ifstream after(d.path + "/queue.db", std::ios::binary);
    EXPECT_EQ(std::string((std::istreambuf_iterator<char>(after)), {}), bytes);
}

// An empty queue in its place would pass for one that was delivered.
TEST(Damage, WithoutItsFirstPageItIsRefusedUntouched) {
    TempDirectory d;
    filled(d.path, 2);
    auto name = d.path + "/queue.db";
    auto bytes_of = [&] {
        std::ifstream f(name, std::ios::binary);
        return std::string((std::istreambuf_iterator<char>(f)), {});
    };
    for (const auto& start : {std::string(4096, '\0'), std::string(100, 'x'), bytes_of().substr(0, 100) + "xxxxxxxx"}) {
        std::fstream(name, std::ios::in | std::ios::out | std::ios::binary) << start;
        auto before = bytes_of();
        auto opened = open(d.path);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, Errc::damaged);
        EXPECT_NE(opened.error().detail.find(name), std::string::npos) << opened.error().detail;
        EXPECT_EQ(bytes_of(), before);
    }
}

TEST(Damage, ForeignFileIsRefusedUntouched) {
    TempDirectory d;
    sql(d.path, "CREATE TABLE other(x); INSERT INTO other VALUES(1)");
    auto opened = open(d.path);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Errc::config);
}

} // namespace
} // namespace danelaw::store
