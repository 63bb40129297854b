// Which tokens does a file hold, and what may each do? admin.token_file of the contract.
#include "danelaw/config/tokens.hpp"

#include <gtest/gtest.h>

namespace danelaw::config {
namespace {

std::string shown(std::string_view text) {
    const auto tokens = parse_tokens(text);
    if (!tokens) return tokens.error().detail;
    std::string out;
    for (const Token& t : *tokens) out += t.text + "=" + std::string(word(t.right)) + " ";
    return out;
}

TEST(Tokens, ALineATokenWithItsRight) {
    EXPECT_EQ(shown("alpha\n"), "alpha=admin ");
    EXPECT_EQ(shown("alpha"), "alpha=admin ");
    EXPECT_EQ(shown("# who: the team\n\n  alpha admin # us\r\nbeta\tread-only\n"), "alpha=admin beta=read-only ");
    EXPECT_EQ(shown(""), "");
}

TEST(Tokens, WhatIsMeantOtherwiseIsNotGuessed) {
    const std::string wrong = "line 2: write a token and `admin` or `read-only`";
    EXPECT_EQ(shown("a\nsecret readonly\n"), wrong);
    EXPECT_EQ(shown("a\nsecret read-only please\n"), wrong);
}

} // namespace
} // namespace danelaw::config
