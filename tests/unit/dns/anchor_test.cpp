// Trust anchors: read, refused, or recognised as of no use (DANE-010, H36).
#include "danelaw/dns/anchor.hpp"

#include <gtest/gtest.h>

namespace danelaw::dns {
namespace {

const std::string digest = "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

std::string said(const std::string& line) {
    auto anchor = parse_trust_anchor(line);
    if (!anchor) return "refused: " + anchor.error().detail;
    if (!anchor->unusable.empty()) return "unusable: " + anchor->unusable;
    return anchor->text;
}

TEST(TrustAnchor, OneRecord) {
    struct Row {
        std::string line, want;
    };
    const Row rows[] = {
        {". IN DS 20326 8 2 " + digest, ". IN DS 20326 8 2 " + digest},
        {"test. IN DS 12345 13 2 " + digest, "test. IN DS 12345 13 2 " + digest},
        {"TEST 3600 IN ds 12345 13 2 " + digest.substr(0, 30) + " " + digest.substr(30),
         "test. IN DS 12345 13 2 " + digest},
        {". DS 20326 8 2 " + digest + " ; a comment", ". IN DS 20326 8 2 " + digest},
        {". IN DNSKEY 257 3 13 AQIDBAUG", ". IN DNSKEY 257 3 13 AQIDBAUG"},
        {"", "refused: a trust anchor is empty"},
        {"; nothing", "refused: a trust anchor is empty"},
        {". IN", "refused: neither DS nor DNSKEY"},
        {". IN A 192.0.2.1", "refused: 'A' is neither DS nor DNSKEY"},
        {"a..b IN DS 1 8 2 " + digest, "refused: 'a..b' is not a zone's name"},
        {". IN DS 20326 8 2", "refused: DS needs a key tag, an algorithm, a digest type and a digest"},
        {". IN DS 70000 8 2 " + digest, "refused: DS: key tag, algorithm and digest type must be numbers"},
        {". IN DS 20326 8 2 xyz", "refused: DS: the digest is not hexadecimal"},
        {". IN DS 20326 8 2 ABCD", "refused: DS: the digest has a wrong length for its type"},
        {". IN DS 20326 8 1 " + digest, "refused: DS: the digest has a wrong length for its type"},
        {". IN DS 20326 1 2 " + digest, "unusable: algorithm 1 is not supported"},
        {". IN DS 20326 8 3 " + digest, "unusable: digest type 3 is not supported"},
        {". IN DNSKEY 257 3 8 !!!", "refused: DNSKEY: the key is not base64"},
        {". IN DNSKEY 385 3 8 AQIDBAUG", "unusable: the key is revoked"},
        {". IN DNSKEY 0 3 8 AQIDBAUG", "unusable: not a zone key"},
        {". IN DNSKEY 257 3 12 AQIDBAUG", "unusable: algorithm 12 is not supported"},
    };
    for (const Row& row : rows) EXPECT_EQ(said(row.line), row.want) << row.line;
}

TEST(TrustAnchor, FileWithCommentsAndParentheses) {
    auto anchors =
        parse_trust_anchor_file("; root\n$TTL 3600\n\n. IN DNSKEY 257 3 13 (\n  AQID ; first half\n  BAUG\n )\n"
                                "test. IN DS 12345 13 2 " +
                                digest + "\r\n");
    ASSERT_TRUE(anchors) << anchors.error().detail;
    ASSERT_EQ(anchors->size(), 2u);
    EXPECT_EQ(anchors->at(0).text, ". IN DNSKEY 257 3 13 AQIDBAUG");
    EXPECT_EQ(anchors->at(1).zone.text(), "test");
}

TEST(TrustAnchor, AutotrustKeysCountWhenValid) { // RFC 5011
    auto anchors = parse_trust_anchor_file(
        ";;id: . 1\n"
        ".\t86400\tIN\tDNSKEY\t257 3 13 AQIDBAUG ;{id = 1 (ksk), size = 256b} ;;state=2 [  VALID  ] ;;count=0\n"
        ".\t86400\tIN\tDNSKEY\t257 3 13 AQIDBAUH ;{id = 2 (ksk), size = 256b} ;;state=1 [ ADDPEND ] ;;count=2\n");
    ASSERT_TRUE(anchors);
    ASSERT_EQ(anchors->size(), 1u);
}

TEST(TrustAnchor, FaultsNameTheLine) {
    EXPECT_EQ(parse_trust_anchor_file("; ok\n. IN DS oops\n").error().detail.substr(0, 7), "line 2:");
    EXPECT_FALSE(parse_trust_anchor_file(". IN DNSKEY 257 3 13 ( AQID\n"));
    EXPECT_TRUE(parse_trust_anchor_file("")->empty());
    EXPECT_FALSE(parse_trust_anchor_file("not an anchor file at all\n"));
}

} // namespace
} // namespace danelaw::dns
