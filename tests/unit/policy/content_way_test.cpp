// By which command content goes, and what a server's answers to BDAT say of it: SC-051, SC-075, SC-076.
#include "danelaw/policy/content_way.hpp"

#include "danelaw/base/limits.hpp"

#include <gtest/gtest.h>

namespace danelaw::policy {
namespace {

using smtp::Body;

smtp::Capabilities offering(const std::string& words) {
    smtp::Reply ehlo{250, {"mx.example"}};
    for (const auto& word : split(words, ' ')) ehlo.lines.push_back(word);
    return smtp::capabilities(ehlo);
}

TEST(ContentWay, Table) { // SC-075, SC-076
    using enum Body;
    constexpr auto D = ContentWay::data, B = ContentWay::bdat;
    constexpr Bytes small = limits::chunk, large = limits::chunk + 1;
    struct {
        const char* offered;
        Body body;
        Bytes size;
        ContentWay want;
    } const rows[] = {
        {"", seven_bit, small, D},
        {"PIPELINING 8BITMIME", eight_bit_mime, small, D},
        {"CHUNKING PIPELINING", seven_bit, 0, D},
        {"CHUNKING PIPELINING", seven_bit, small, D}, // 354 comes with the replies to RCPT
        {"CHUNKING PIPELINING", seven_bit, large, B}, // a refusal is known while it is under way
        {"CHUNKING PIPELINING 8BITMIME", eight_bit_mime, large, B},
        {"CHUNKING", seven_bit, 0, B},
        {"CHUNKING", seven_bit, small, B}, // one chunk, and no wait for 354
        {"CHUNKING", seven_bit, large, D}, // each chunk would wait for its reply (SC-051)
        {"CHUNKING 8BITMIME", eight_bit_mime, large, D},
        {"CHUNKING BINARYMIME", binary_mime, small, B},
        {"CHUNKING BINARYMIME", binary_mime, large, B}, // there is no other way
        {"CHUNKING BINARYMIME PIPELINING", binary_mime, small, B},
        {"CHUNKING BINARYMIME PIPELINING", binary_mime, large, B},
        {"BINARYMIME PIPELINING", seven_bit, small, D}, // binary alone is nothing
    };
    for (const auto& row : rows)
        EXPECT_EQ(content_way(offering(row.offered), row.body, row.size), row.want) << row.offered << " " << row.size;
}

TEST(ContentWay, WhatOnlyTheCommandIsToBlameFor) { // SC-075
    for (const int code : {500, 501, 502, 503, 504}) EXPECT_TRUE(refuses_bdat({code, {"no"}})) << code;
    for (const int code : {250, 354, 421, 450, 451, 452, 521, 530, 550, 552, 554, 555, 571})
        EXPECT_FALSE(refuses_bdat({code, {"no"}})) << code;
}

TEST(ContentWay, ExperienceSpeaksAgainstTheList) { // SC-075, SC-076
    const auto all = offering("CHUNKING BINARYMIME PIPELINING 8BITMIME");
    auto refused = all, silent = all;
    apply(ChunkingDoubt::refused, refused);
    EXPECT_EQ(refused, offering("PIPELINING 8BITMIME"));
    apply(ChunkingDoubt::unanswered, silent);
    EXPECT_EQ(content_way(silent, Body::seven_bit, 1), ContentWay::data);
    EXPECT_EQ(content_way(silent, Body::binary_mime, 1), ContentWay::bdat); // it can't go otherwise
    apply(ChunkingDoubt::refused, silent);
    EXPECT_EQ(silent, refused);
}

} // namespace
} // namespace danelaw::policy
