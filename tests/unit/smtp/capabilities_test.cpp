// What an EHLO reply offers: SC-023, SC-071, SC-074, H100.
#include "danelaw/smtp/capabilities.hpp"

#include "danelaw/base/text.hpp"

#include <gtest/gtest.h>

namespace danelaw::smtp {
namespace {

std::string offers(const Capabilities& c) {
    std::string out;
    auto add = [&out](bool on, std::string_view name) {
        if (on) out.append(out.empty() ? "" : " ").append(name);
    };
    add(c.pipelining, "pipelining");
    add(c.eight_bit_mime, "8bit");
    add(c.smtputf8, "utf8");
    add(c.dsn, "dsn");
    add(c.chunking, "chunking");
    add(c.binarymime, "binary");
    add(c.starttls, "starttls");
    add(c.requiretls, "requiretls");
    add(c.enhanced_status, "enhanced");
    add(c.size_offered, "size:" + std::to_string(c.size));
    add(c.limit_rcptmax.has_value(), "rcptmax:" + std::to_string(c.limit_rcptmax.value_or(0)));
    return out;
}

Capabilities from(std::vector<std::string> lines) {
    lines.insert(lines.begin(), "mx.example hello");
    return capabilities(Reply{250, std::move(lines)});
}

TEST(Capabilities, FromEhlo) {
    struct Row {
        const char* name;
        std::vector<std::string> lines;
        std::string want;
    };
    const std::vector<Row> rows{
        {"H100 last line", {"STARTTLS"}, "starttls"},
        {"H100 lower case", {"starttls"}, "starttls"},
        {"H100 trailing blank", {"STARTTLS "}, "starttls"},
        {"H100 longer word", {"STARTTLSX"}, ""},
        {"H100 value of AUTH", {"AUTH=STARTTLS"}, ""},
        {"SC-023 mixed case", {"Size 100", "AUTH=LOGIN", "X-FOO"}, "size:100"},
        {"SC-023 equals form", {"SIZE=1000"}, "size:1000"},
        {"SC-071 no value", {"SIZE"}, "size:0"},
        {"SC-071 zero", {"SIZE 0"}, "size:0"},
        {"SC-071 garbage", {"SIZE many"}, "size:0"},
        {"SC-071 overflow", {"SIZE 99999999999999999999999"}, "size:0"},
        {"SC-074 implied", {"SMTPUTF8"}, "8bit utf8"},
        {"SC-076 binary alone is nothing", {"BINARYMIME"}, ""},
        {"SC-076 both", {"BINARYMIME", "CHUNKING"}, "chunking binary"},
        {"all",
         {"PIPELINING", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "REQUIRETLS"},
         "pipelining 8bit dsn requiretls enhanced"},
        {"limits", {"LIMITS MAILMAX=5 RCPTMAX=100 X=1 RCPTMAX"}, "rcptmax:100"},
    };
    for (const auto& row : rows) EXPECT_EQ(offers(from(row.lines)), row.want) << row.name;
}

TEST(Capabilities, FirstLineIsANameNotAKeyword) {
    auto c = capabilities(Reply{250, {"STARTTLS"}});
    EXPECT_FALSE(c.starttls);
    EXPECT_EQ(c.peer_name, "STARTTLS");
    EXPECT_TRUE(c.esmtp);
    EXPECT_FALSE(helo(Reply{250, {"mx.example", "STARTTLS"}}).starttls);
}

} // namespace
} // namespace danelaw::smtp
