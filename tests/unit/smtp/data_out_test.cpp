// What leaves is one message for every parser: SC-036, SC-037, SC-039, H103, H105.
#include "danelaw/smtp/data_out.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace danelaw::smtp {
namespace {

// Fed in pieces cut at `cut`.
std::string stuffed(std::string_view content, std::size_t cut) {
    DotStuffer stuffer;
    std::string out;
    stuffer.feed(content.substr(0, cut), out);
    stuffer.feed(content.substr(cut), out);
    stuffer.finish(out);
    return out;
}

TEST(DotStuffer, EncodesInAnySplit) {
    struct Row {
        const char* name;
        std::string content, want;
    };
    const std::vector<Row> rows{
        {"plain", "a\r\n", "a\r\n.\r\n"},
        {"empty", "", ".\r\n"},
        {"SC-037 missing CRLF", "a", "a\r\n.\r\n"},
        {"SC-037 dots", ".\r\n..\r\n.x\r\n", "..\r\n...\r\n..x\r\n.\r\n"},
        {"H105 last line a dot", "a\r\n.", "a\r\n..\r\n.\r\n"},
        {"SC-036 LF.LF", "a\n.\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
        {"SC-036 CR.CRLF", "a\r.\r\nb", "a .\r\nb\r\n.\r\n"},
        {"SC-036 lone CR", "a\rb\r\n", "a b\r\n.\r\n"},
        {"CR CR LF", "a\r\r\n", "a \r\n.\r\n"},
        {"CR at the end", "a\r", "a \r\n.\r\n"},
        {"CRLF dot CR dot", "\r\n.\r.\r\n", "\r\n.. .\r\n.\r\n"},
        {"NUL kept", std::string("a\0b\r\n", 5), std::string("a\0b\r\n.\r\n", 8)},
    };
    for (const auto& row : rows)
        for (std::size_t cut = 0; cut <= row.content.size(); ++cut)
            EXPECT_EQ(stuffed(row.content, cut), row.want) << row.name << " cut at " << cut;
}

// H103: three parsers (strict, LF-lenient, CR-lenient) must find the end in the same place: no line is a dot before the
// last.
TEST(DotStuffer, LeavesNoBareLineEndAndNoEarlyEnd) {
    const std::string alphabet = "\r\n.a";
    for (unsigned n = 0; n < 4096 * 4; ++n) { // every text of seven octets over the alphabet
        std::string content;
        for (unsigned i = 0, rest = n; i < 7; ++i, rest /= 4) content += alphabet[rest % 4];
        auto out = stuffed(content, n % 8);
        for (std::size_t i = 0; i < out.size(); ++i) {
            if (out[i] == '\n') {
                ASSERT_TRUE(i > 0 && out[i - 1] == '\r') << n;
            }
            if (out[i] == '\r') {
                ASSERT_TRUE(i + 1 < out.size() && out[i + 1] == '\n') << n;
            }
        }
        ASSERT_EQ(("\r\n" + out).find("\r\n.\r\n"), out.size() - 3) << n;
    }
}

std::vector<std::string> chunks(BdatChunks::Form form, const std::vector<std::string>& pieces, std::size_t least) {
    BdatChunks chunks(form, least);
    std::vector<std::string> out;
    for (const auto& piece : pieces)
        if (auto chunk = chunks.feed(piece); !chunk.empty()) out.push_back(std::move(chunk));
    out.push_back(chunks.finish());
    return out;
}

TEST(BdatChunks, TellTheirSize) { // SC-075: exact counts, canonical CRLF, no stuffing
    using enum BdatChunks::Form;
    struct Row {
        const char* name;
        BdatChunks::Form form;
        std::vector<std::string> pieces, want;
    };
    const Row rows[] = {
        {"one", text, {"a\r\n"}, {"BDAT 3 LAST\r\na\r\n"}},
        {"nothing", text, {}, {"BDAT 0 LAST\r\n"}},
        {"nothing but a piece", text, {""}, {"BDAT 0 LAST\r\n"}},
        {"dots stay", text, {".\r\n..\r\n"}, {"BDAT 7 LAST\r\n.\r\n..\r\n"}},
        {"two", text, {"a\r\n", "b\r\n"}, {"BDAT 3\r\na\r\n", "BDAT 3 LAST\r\nb\r\n"}},
        {"SC-037 missing CRLF", text, {"a\r\n", "b"}, {"BDAT 3\r\na\r\n", "BDAT 3 LAST\r\nb\r\n"}},
        {"SC-036 stray", text, {".\n..", "\rx"}, {"BDAT 5\r\n.\r\n..", "BDAT 4 LAST\r\n x\r\n"}},
        {"CRLF cut", text, {"a\r", "\nb\r\n"}, {"BDAT 1\r\na", "BDAT 5 LAST\r\n\r\nb\r\n"}},
        {"a CR alone is no chunk", text, {"\r", "\n"}, {"BDAT 2 LAST\r\n\r\n"}},
        {"SC-076 binary", binary, {"a\r", "\n\nb"}, {"BDAT 2\r\na\r", "BDAT 3 LAST\r\n\n\nb"}},
    };
    for (const auto& row : rows) EXPECT_EQ(chunks(row.form, row.pieces, 1), row.want) << row.name;
    EXPECT_EQ(chunks(text, {"a\r\n", "b\r\n", "c\r\n"}, 4),
              (std::vector<std::string>{"BDAT 6\r\na\r\nb\r\n", "BDAT 3 LAST\r\nc\r\n"}));
}

// SC-039: a line of any length passes unchanged.
TEST(DotStuffer, LongLinesPass) {
    std::string line(1 << 20, 'x');
    EXPECT_EQ(stuffed(line + "\r\n", 65536), line + "\r\n.\r\n");
}

} // namespace
} // namespace danelaw::smtp
