#include "danelaw/base/text.hpp"
#include "danelaw/log/format.hpp"
#include "danelaw/log/log.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <unistd.h>
#include <vector>

namespace danelaw::log {
namespace {

namespace json = boost::json;

const Time when = *parse_rfc3339("2026-11-25T04:20:31.123Z");

std::string line(Format format, const json::object& fields) {
    std::string out;
    append_line(out, format, when, Level::info, "attempt", fields);
    return out;
}

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
}

struct Temp {
    std::string dir;
    Temp() {
        char name[] = "/tmp/danelaw-log-XXXXXX";
        dir = ::mkdtemp(name);
    }
    ~Temp() { std::filesystem::remove_all(dir); }
};

TEST(Format, JsonPutsTsLevelEventFirstAndKeepsOrder) {
    EXPECT_EQ(line(Format::json, {{"id", "A1"},
                                  {"code", 250},
                                  {"tls", {{"level", "dane-ee"}, {"secured", true}}},
                                  {"tlsa", json::array{"3 1 1 ab"}},
                                  {"host", nullptr}}),
              R"({"ts":"2026-11-25T04:20:31.123Z","level":"info","event":"attempt","id":"A1","code":250,)"
              R"("tls":{"level":"dane-ee","secured":true},"tlsa":["3 1 1 ab"],"host":null})"
              "\n");
}

TEST(Format, TextCarriesTheSameFactsOnOneLine) {
    EXPECT_EQ(
        line(Format::text, {{"id", "A1"}, {"text", "250 2.0.0 ok"}, {"tls", {{"level", "dane-ee"}}}, {"sender", ""}}),
        "2026-11-25T04:20:31.123Z info attempt id=A1 text=\"250 2.0.0 ok\" tls.level=dane-ee sender=\"\"\n");
}

// SS-017, DANE-A21: what a peer sends can neither break the line nor colour a terminal.
TEST(Format, PeerBytesAreEscapedOnce) {
    const std::string evil = "a\r\nb\x1b[31m\"\\\xff";
    for (const Format format : {Format::json, Format::text}) {
        const std::string out = line(format, {{"text", evil}});
        EXPECT_EQ(out.find('\n'), out.size() - 1);
        EXPECT_EQ(out.find('\x1b'), std::string::npos);
        EXPECT_TRUE(is_utf8(out));
    }
    const json::value v = json::parse(line(Format::json, {{"text", evil}}));
    EXPECT_EQ(v.at("text").as_string(), printable(evil));
}

TEST(Format, NumbersOfEveryKind) {
    EXPECT_EQ(line(Format::json, {{"a", -1}, {"b", 18446744073709551615ull}, {"c", 0.5}}).substr(66),
              "\"a\":-1,\"b\":18446744073709551615,\"c\":0.5}\n");
}

TEST(File, EachEventIsThereAtOnceAndTheLevelFilters) {
    const Temp temp;
    const std::string path = temp.dir + "/log";
    const auto log = make({Level::info, Format::json, path});
    log->event(Level::debug, "dialogue", {});
    EXPECT_EQ(slurp(path), "");
    log->event(Level::info, "ready", {{"version", "1"}});
    EXPECT_EQ(json::parse(slurp(path)).at("event").as_string(), "ready");
    EXPECT_FALSE(log->enabled(Level::debug));
}

TEST(File, ReopenAfterRotation) {
    const Temp temp;
    const std::string path = temp.dir + "/log";
    const auto log = make({Level::info, Format::text, path});
    log->event(Level::info, "one", {});
    std::filesystem::rename(path, path + ".1");
    log->event(Level::info, "two", {});
    log->reopen({Level::warn, Format::text, path});
    log->event(Level::info, "unseen", {});
    log->event(Level::warn, "three", {});
    EXPECT_NE(slurp(path + ".1").find("two"), std::string::npos);
    EXPECT_EQ(slurp(path).find("unseen"), std::string::npos);
    EXPECT_NE(slurp(path).find("three"), std::string::npos);
}

TEST(File, ThreadsNeverMixLines) {
    const Temp temp;
    const std::string path = temp.dir + "/log";
    const auto log = make({Level::info, Format::json, path});
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&log] {
            for (int i = 0; i < 500; ++i) log->event(Level::info, "attempt", {{"text", std::string(500, 'x')}});
        });
    }
    threads.clear();
    std::ifstream in(path);
    std::string one;
    int lines = 0;
    while (std::getline(in, one)) {
        EXPECT_NO_THROW(json::parse(one));
        ++lines;
    }
    EXPECT_EQ(lines, 2000);
}

} // namespace
} // namespace danelaw::log
