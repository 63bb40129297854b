// Replies as servers really write them: SC-028…SC-030, H116.
#include "danelaw/smtp/reply.hpp"

#include "danelaw/base/limits.hpp"

#include <gtest/gtest.h>

namespace danelaw::smtp {
namespace {

// "250 first text | second text / 4.1.1" or "error" or "more".
std::string read(const std::vector<std::string>& lines) {
    ReplyParser parser;
    auto step = ReplyParser::Step::more;
    for (const auto& line : lines) {
        step = parser.feed(line);
        if (step != ReplyParser::Step::more) break;
    }
    if (step == ReplyParser::Step::error) return "error";
    if (step == ReplyParser::Step::more) return "more";
    auto reply = parser.take();
    return std::to_string(reply.code) + ' ' + reply.text() + " / " + reply.enhanced();
}

struct Row {
    const char* name;
    std::vector<std::string> lines;
    std::string want;
};

TEST(Reply, ReadsWhatServersSend) {
    const std::vector<Row> rows{
        {"plain", {"250 2.0.0 Ok"}, "250 2.0.0 Ok / 2.0.0"},
        {"H116.1 two-line greeting", {"220-mx.example", "220 ready"}, "220 mx.example ready / "},
        {"H116.3 nothing after the code", {"250"}, "250  / "},
        {"SC-028 bare last line", {"250-one", "250"}, "250 one  / "},
        {"H116.4 status on the last line only",
         {"550-No such user", "550 5.1.1 here"},
         "550 No such user 5.1.1 here / 5.1.1"},
        {"H116.5 codes differ", {"250-one", "550 two"}, "error"},
        {"H116.8 1yz", {"150 go"}, "error"},
        {"6yz", {"650 go"}, "error"},
        {"H116.9 letters", {"abc def"}, "error"},
        {"empty line", {""}, "error"},
        {"two digits", {"25"}, "error"},
        {"four digits", {"2500 x"}, "error"},
        {"SC-028 unknown code", {"299 hm"}, "299 hm / "},
        {"SC-030 class does not fit", {"550 2.1.1 no"}, "550 2.1.1 no / "},
        {"SC-030 temporary", {"450 4.2.1 later"}, "450 4.2.1 later / 4.2.1"},
        {"SC-030 three digits", {"550 5.123.456 no"}, "550 5.123.456 no / 5.123.456"},
        {"SC-030 four digits are no status", {"550 5.1234.1 no"}, "550 5.1234.1 no / "},
        {"SC-030 glued text", {"550 5.1.1: no"}, "550 5.1.1: no / "},
        {"SC-030 status alone", {"421 4.3.2"}, "421 4.3.2 / 4.3.2"},
        {"goes on", {"250-one", "250-two"}, "more"},
        {"control octets", {"250 a\x1b[2J"}, "250 a\\x1b[2J / "},
    };
    for (const auto& row : rows) EXPECT_EQ(read(row.lines), row.want) << row.name;
}

// SC-029, H116.6, H116.7
TEST(Reply, IsBounded) {
    ReplyParser many;
    std::size_t lines = 0;
    while (lines < 5000 && many.feed("250-x") == ReplyParser::Step::more) ++lines;
    EXPECT_EQ(lines, limits::reply_lines);
    ReplyParser wide;
    EXPECT_EQ(wide.feed("250 " + std::string(100000, 'x')), ReplyParser::Step::error);
    ReplyParser total;
    auto step = ReplyParser::Step::more;
    for (int i = 0; i < 9 && step == ReplyParser::Step::more; ++i) step = total.feed("250-" + std::string(8000, 'x'));
    EXPECT_EQ(step, ReplyParser::Step::error);
}

TEST(Reply, ParserStartsAnewAfterTake) {
    ReplyParser parser;
    EXPECT_EQ(parser.feed("250 one"), ReplyParser::Step::done);
    EXPECT_EQ(parser.take().code, 250);
    EXPECT_EQ(parser.feed("354 two"), ReplyParser::Step::done);
    EXPECT_EQ(parser.take().lines, std::vector<std::string>{"two"});
}

} // namespace
} // namespace danelaw::smtp
