// One end of data and no other, in any split: SS-040, SS-041, SS-043, SS-046, H103…H105.
#include "danelaw/smtp/data_in.hpp"

#include "danelaw/smtp/data_out.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace danelaw::smtp {
namespace {

// "content|rest", or "content…" when no end was found. Fed in two pieces cut at `cut`.
std::string decode(std::string_view wire, std::size_t cut) {
    DataDecoder decoder;
    std::string out;
    for (auto piece : {wire.substr(0, cut), wire.substr(cut)}) {
        auto fed = decoder.feed(piece, out);
        if (fed.ended) {
            auto place = static_cast<std::size_t>(piece.data() - wire.data()) + fed.used;
            return out + '|' + std::string(wire.substr(place));
        }
    }
    return out + "...";
}

struct Row {
    const char* name;
    std::string wire, want;
};

TEST(DataDecoder, OnlyOneEnd) {
    using namespace std::string_literals;
    const std::vector<Row> rows{
        {"plain", "a\r\n.\r\nQUIT\r\n", "a\r\n|QUIT\r\n"},
        {"dot at once", ".\r\nX", "|X"},
        {"SS-043", "..\r\n.x\r\n...\r\n.\r\n", ".\r\nx\r\n..\r\n|"},
        {"LF.LF", "a\n.\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n|"},
        {"LF.CRLF", "a\n.\r\nMAIL\r\n.\r\n", "a\r\n.\r\nMAIL\r\n|"},
        {"CRLF.LF", "a\r\n.\nMAIL\r\n.\r\n", "a\r\n\r\nMAIL\r\n|"},
        {"CR.CR", "a\r.\rMAIL\r\n.\r\n", "a . MAIL\r\n|"},
        {"CRLF.CR", "a\r\n.\rMAIL\r\n.\r\n", "a\r\n MAIL\r\n|"},
        {"CR.CRLF", "a\r.\r\nMAIL\r\n.\r\n", "a .\r\nMAIL\r\n|"},
        {"CR.LF", "a\r.\nMAIL\r\n.\r\n", "a .\r\nMAIL\r\n|"},
        {"LF.CR", "a\n.\rMAIL\r\n.\r\n", "a\r\n. MAIL\r\n|"},
        {"CR CRLF.CR LF", "a\r\r\n.\r\nX", "a \r\n|X"}, // holds a true CRLF.CRLF
        {"CRLF.CRCRLF", "a\r\n.\r\r\nMAIL\r\n.\r\n", "a\r\n \r\nMAIL\r\n|"},
        {"CRLF NUL dot", "a\r\n\0.\r\nMAIL\r\n.\r\n"s, "a\r\n\0.\r\nMAIL\r\n|"s},
        {"CRLF.NUL", "a\r\n.\0\r\nMAIL\r\n.\r\n"s, "a\r\n\0\r\nMAIL\r\n|"s},
        {"CRLF.blank", "a\r\n. \r\nMAIL\r\n.\r\n", "a\r\n \r\nMAIL\r\n|"},
        {"LFLF.LFLF", "a\n\n.\n\nMAIL\r\n.\r\n", "a\r\n\r\n.\r\n\r\nMAIL\r\n|"},
        {"CRLF LF.CRLF", "a\r\n\n.\r\nMAIL\r\n.\r\n", "a\r\n\r\n.\r\nMAIL\r\n|"},
        {"bare LF first", "\n.\r\nMAIL\r\n.\r\n", "\r\n.\r\nMAIL\r\n|"},
        {"no end", "a\r\n.", "a\r\n..."},
    };
    for (const auto& row : rows)
        for (std::size_t cut = 0; cut <= row.wire.size(); ++cut)
            EXPECT_EQ(decode(row.wire, cut), row.want) << row.name << " cut at " << cut;
}

// SS-040 by exhaustion: over every short text the end is exactly where CRLF.CRLF first stands; what comes out has CRLF
// only.
TEST(DataDecoder, EveryShortText) {
    const std::string alphabet = "\r\n.a";
    for (unsigned n = 0; n < 65536; ++n) {
        std::string wire;
        for (unsigned i = 0, rest = n; i < 8; ++i, rest /= 4) wire += alphabet[rest % 4];
        DataDecoder decoder;
        std::string out;
        std::size_t used = 0;
        bool ended = false;
        for (std::size_t i = 0; i < wire.size() && !ended; ++i) { // an octet at a time
            auto fed = decoder.feed(std::string_view(wire).substr(i, 1), out);
            used += fed.used;
            ended = fed.ended;
        }
        auto end = ("\r\n" + wire).find("\r\n.\r\n");
        ASSERT_EQ(ended, end != std::string::npos) << n;
        if (ended) {
            ASSERT_EQ(used, end + 3) << n;
        }
        std::string whole; // the same in one piece
        DataDecoder at_once;
        auto fed = at_once.feed(wire, whole);
        ASSERT_EQ(whole, out) << n;
        ASSERT_EQ(fed.used, used) << n;
        ASSERT_EQ(at_once.bare_line_ends(), decoder.bare_line_ends()) << n;
        for (std::size_t i = 0; i < out.size(); ++i) {
            if (out[i] == '\n') {
                ASSERT_TRUE(i > 0 && out[i - 1] == '\r') << n;
            }
            if (out[i] == '\r' && i + 1 < out.size()) {
                ASSERT_EQ(out[i + 1], '\n') << n;
            }
        }
    }
}

TEST(DataDecoder, TellsBareLineEnds) { // SS-041
    for (auto [wire, bare] : std::vector<std::pair<std::string, bool>>{{"a\r\n.\r\n", false},
                                                                       {"a\nb\r\n.\r\n", true},
                                                                       {"a\rb\r\n.\r\n", true},
                                                                       {"a\r\r\n.\r\n", true},
                                                                       {"..\r\n.\r\n", false}}) {
        DataDecoder decoder;
        std::string out;
        decoder.feed(wire, out);
        EXPECT_EQ(decoder.bare_line_ends(), bare) << wire;
    }
}

// SS-047, SC-037, H105: what one side sends the other gets back, octet for octet.
TEST(DataDecoder, RoundTripOfAllOctets) {
    std::string content;
    for (int i = 0; i < 256; ++i)
        if (i != '\r' && i != '\n') content += static_cast<char>(i);
    content += "\r\n.\r\n..\r\n.x\r\n\r\n";
    DotStuffer stuffer;
    std::string wire, back;
    stuffer.feed(content, wire);
    stuffer.finish(wire);
    DataDecoder decoder;
    auto fed = decoder.feed(wire, back);
    EXPECT_TRUE(fed.ended);
    EXPECT_EQ(back, content);
}

TEST(BdatDecoder, CanonicalAcrossChunks) { // SS-046
    for (std::size_t cut = 0; cut <= 12; ++cut) {
        std::string_view wire = "a\nb\r\nc\rd\r\n.\r";
        BdatDecoder decoder;
        std::string out;
        decoder.feed(wire.substr(0, cut), out);
        decoder.feed(wire.substr(cut), out);
        decoder.finish(out);
        EXPECT_EQ(out, "a\r\nb\r\nc d\r\n. ") << cut;
        EXPECT_TRUE(decoder.bare_line_ends());
    }
}

} // namespace
} // namespace danelaw::smtp
