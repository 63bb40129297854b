// Who is signed for, with which key, and what a signature covers (TR-044; RFC 6376, RFC 8463, RFC 8301 3.2). That
// others can verify it: tests/integration/dkim_test.py.
#include "danelaw/dkim/signer.hpp"

#include "danelaw/base/text.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <random>

namespace danelaw::dkim {
namespace {

class DkimTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = (std::filesystem::temp_directory_path() / "danelaw-dkim-XXXXXX").string();
        ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_ + "/" + name) << text;
        return folder_ + "/" + name;
    }
    std::string key_file(const std::string& name, EVP_PKEY* key) const {
        const auto path = folder_ + "/" + name;
        FILE* file = std::fopen(path.c_str(), "w");
        PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(file);
        EVP_PKEY_free(key);
        return path;
    }
    std::string rsa(unsigned bits = 1024) const { return key_file("rsa" + std::to_string(bits), EVP_RSA_gen(bits)); }
    std::string ed25519() const { return key_file("ed", EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); }
    std::shared_ptr<const Keys> keys(const std::vector<KeySource>& sources) const {
        auto loaded = Keys::load(sources);
        EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().detail);
        return *loaded;
    }
    std::string folder_;
};

std::string tag(const std::string& field, const std::string& name) {
    std::string flat;
    for (const char c : field)
        if (c != '\r' && c != '\n' && c != '\t' && c != ' ') flat += c;
    for (const auto& one : split(flat.substr(flat.find(':') + 1), ';'))
        if (one.starts_with(name + "=")) return one.substr(name.size() + 1);
    return "";
}

const std::string message =
    "From: A <a@sub.d.test>\r\nTo: b@e.test\r\nSubject: folded\r\n\tsubject\r\nTLS-Report-Domain: "
    "e.test\r\n\r\nbody\r\n";

TEST_F(DkimTest, SignsForTheFromDomainAndItsParents) {
    const auto all = keys({{"d.test", "s1", rsa()}, {"sub.d.test", "s2", ed25519()}});
    EXPECT_TRUE(all->signs_for("x.d.test") && all->signs_for("D.TEST"));
    EXPECT_FALSE(all->signs_for("test") || all->signs_for("xd.test") || all->signs_for(""));
    const auto field = *sign(all, message);
    EXPECT_TRUE(field.starts_with("DKIM-Signature: v=1;") && field.ends_with("\r\n")) << field;
    EXPECT_EQ(tag(field, "d"), "sub.d.test"); // the nearest
    EXPECT_EQ(tag(field, "s"), "s2");
    EXPECT_EQ(tag(field, "a"), "ed25519-sha256");
    const auto parent = *sign(keys({{"d.test", "s1", rsa()}}), message);
    EXPECT_EQ(tag(parent, "d"), "d.test");
    EXPECT_EQ(tag(parent, "a"), "rsa-sha256");
}

TEST_F(DkimTest, CoversWhatMatters) { // TR-044
    const auto field = *sign(keys({{"d.test", "s1", rsa()}}), message);
    EXPECT_EQ(tag(field, "c"), "relaxed/relaxed");
    EXPECT_EQ(tag(field, "l"), "");
    const auto names = split(lower(tag(field, "h")), ':');
    for (const std::string name : {"from", "to", "subject", "tls-report-domain"})
        EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
    EXPECT_EQ(std::ranges::count(names, "from"), 2); // one more can't be added
    for (const auto& line : split(field, '\n')) EXPECT_LT(line.size(), 80u) << line;
    EXPECT_EQ(field.find('\n'), field.find("\r\n") + 1);
}

TEST_F(DkimTest, AnySplitGivesTheSameSignature) {
    const auto all = keys({{"d.test", "s1", rsa()}});
    const auto whole = tag(*sign(all, message), "bh");
    for (std::size_t step : {1u, 2u, 3u, 7u}) {
        Signer signer(all);
        for (std::size_t i = 0; i < message.size(); i += step) signer.feed(std::string_view(message).substr(i, step));
        EXPECT_EQ(tag(*signer.finish(), "bh"), whole) << step;
    }
}

TEST_F(DkimTest, BothWaysOfSigningSeeTheSameBody) { // RFC 6376 3.4.4: libopendkim's and ours
    const auto by_rsa = keys({{"d.test", "s", rsa()}}), by_ed25519 = keys({{"d.test", "s", ed25519()}});
    const std::array<std::string, 8> pieces{"\r\n", "\r\n", " ", "\t", "a", "b c", ".", "  \r\n"};
    std::mt19937 random(6376);
    for (int n = 0; n < 300; ++n) {
        std::string text = "From: a@d.test\r\nSubject: x\r\n\r\n";
        for (auto length = random() % 12; length > 0; --length) text += pieces.at(random() % pieces.size());
        ASSERT_EQ(tag(*sign(by_rsa, text), "bh"), tag(*sign(by_ed25519, text), "bh")) << printable(text);
        Signer bytewise(by_ed25519);
        for (const char c : text) bytewise.feed(std::string_view(&c, 1));
        ASSERT_EQ(tag(*bytewise.finish(), "bh"), tag(*sign(by_ed25519, text), "bh")) << printable(text);
    }
}

TEST_F(DkimTest, NoBodyIsAnError) { // by BDAT anything may come, a last line without its end too
    for (const auto& key : {rsa(), ed25519()})
        for (const std::string body : {"x", "x\r", "x\n", "\n", "\r", "x\r\n\r", "\r\n", " "}) {
            const auto all = keys({{"d.test", "s", key}});
            const auto text = "From: a@d.test\r\n\r\n" + body;
            EXPECT_TRUE(sign(all, text)) << printable(text);
            Signer bytewise(all);
            for (const char c : text) bytewise.feed(std::string_view(&c, 1));
            EXPECT_TRUE(bytewise.finish()) << printable(text);
        }
}

TEST_F(DkimTest, WhatCantBeSignedIsLeftAlone) {
    const auto all = keys({{"d.test", "s1", rsa()}});
    for (const std::string text :
         {"From: a@other.test\r\n\r\nx\r\n", "From: a@d.test\r\nFrom: b@d.test\r\n\r\nx\r\n",
          "To: a@d.test\r\n\r\nx\r\n", "\r\nx\r\n", "", "From: a@d.test, b@d.test\r\n\r\nx\r\n"})
        EXPECT_EQ(*sign(all, text), "") << text;
    EXPECT_NE(*sign(all, "From: a@d.test\r\n\r\n"), "");      // no body
    EXPECT_NE(*sign(all, "From: a@d.test\r\n"), "");          // not even an empty line
    EXPECT_NE(*sign(all, "From: a@d.test\r\nTo: b\r\n"), ""); // nor here
}

TEST_F(DkimTest, KeysThatAreNone) {
    const auto problem = [&](const std::string& file) {
        const auto loaded = Keys::load({{"d.test", "s", file}});
        return loaded ? std::string() : loaded.error().detail;
    };
    EXPECT_NE(problem(folder_ + "/absent").find("can't be read"), std::string::npos);
    EXPECT_NE(problem(write("text", "hello")).find("not a private key"), std::string::npos);
    EXPECT_NE(problem(rsa(512)).find("under 1024"), std::string::npos); // RFC 8301 3.2
    EXPECT_NE(problem(key_file("ec", EVP_EC_gen("P-256"))).find("RSA and Ed25519"), std::string::npos);
    EXPECT_TRUE(keys({})->empty());
}

TEST(FromDomain, Table) {
    struct {
        const char* value;
        const char* want;
    } const rows[] = {
        {"a@d.test", "d.test"},
        {"A B <a@D.Test>", "d.test"},
        {"\"x, <y@e.test>\" <a@d.test>", "d.test"},
        {"(comment @e.test, more) a@d.test", "d.test"},
        {"\"a@e.test\"@d.test", "d.test"},
        {"a@d.test, b@e.test", ""},
        {"A <a@d.test>, B <b@d.test>", ""},
        {"group: a@d.test;", ""},
        {"nobody", ""},
        {"<a@d.test", ""},
        {"a@[192.0.2.1]", ""},
        {"a@b\xc3\xbc"
         "cher.test",
         "xn--bcher-kva.test"},
        {"", ""},
    };
    for (const auto& row : rows) EXPECT_EQ(from_domain(row.value), row.want) << row.value;
}

} // namespace
} // namespace danelaw::dkim
