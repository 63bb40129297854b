// The tlsa commands as scripts see them: exact JSON, exit codes, where warnings go (contract; DANE-146, DANE-147).
#include "../../../src/cli/commands.hpp"
#include "support/pki.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

class TlsaCommands : public ::testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directories(dir_);
        write("chain.pem", tls::test::pem({&leaf_, &root_}));
        write("key.pem", tls::test::key_pem(leaf_));
    }
    void TearDown() override { std::filesystem::remove_all(dir_); }
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(dir_ / name) << text;
        return dir_ / name;
    }
    TlsaVerify verify(std::vector<std::string> records) const {
        TlsaVerify asked;
        asked.names = {"mx.ex.test"};
        asked.records = std::move(records);
        asked.chain = dir_ / "chain.pem";
        asked.json = true;
        return asked;
    }
    json::object answer() {
        json::object o = json::parse(out_.str()).as_object();
        out_.str("");
        return o;
    }

    std::filesystem::path dir_ =
        std::filesystem::temp_directory_path() / ("danelaw-tlsa-" + std::to_string(::getpid()));
    tls::test::Identity root_ = tls::test::authority("root");
    tls::test::Identity leaf_ = tls::test::issue({.sans = "DNS:mx.ex.test"}, &root_);
    std::ostringstream out_, err_;
    Console console_{out_, err_};
};

TEST_F(TlsaCommands, VerifyAnswersInTheContractsForm) {
    EXPECT_EQ(tlsa_verify(verify({tls::test::tlsa(2, 0, 1, root_).text(), "1 1 1 00"}), console_), Exit::ok);
    json::object passed = answer();
    EXPECT_EQ(passed.at("verdict"), "dane-ta");
    EXPECT_EQ(json::serialize(passed.at("matched")), R"({"usage":2,"selector":0,"matching":1,"depth":1})");

    EXPECT_EQ(tlsa_verify(verify({tls::test::wrong(3, 1, 1).text()}), console_), Exit::no);
    json::object failed = answer();
    EXPECT_EQ(failed.at("verdict"), "fail");
    EXPECT_EQ(failed.at("reason"), "tlsa-invalid");
    EXPECT_TRUE(failed.at("matched").is_null());

    EXPECT_EQ(tlsa_verify(verify({tls::test::tlsa(1, 1, 1, leaf_).text()}), console_), Exit::ok);
    EXPECT_EQ(answer().at("verdict"), "encrypted");
}

TEST_F(TlsaCommands, VerifyTakesFurtherNamesAndATime) {
    TlsaVerify asked = verify({tls::test::tlsa(2, 0, 1, root_).text()});
    asked.names = {"other.test", "mx.ex.test"};
    EXPECT_EQ(tlsa_verify(asked, console_), Exit::ok);
    asked.names = {"other.test"};
    out_.str("");
    EXPECT_EQ(tlsa_verify(asked, console_), Exit::no);
    EXPECT_EQ(answer().at("reason"), "certificate-host-mismatch");
    asked = verify(asked.records);
    asked.at = 4'000'000'000;
    EXPECT_EQ(tlsa_verify(asked, console_), Exit::no);
    EXPECT_EQ(answer().at("reason"), "certificate-expired");
}

TEST_F(TlsaCommands, WrongUsageIsTwo) {
    EXPECT_EQ(tlsa_verify(verify({"3 1"}), console_), Exit::usage);
    EXPECT_EQ(tlsa_verify(verify({"3 1 1 xyz"}), console_), Exit::usage);
    EXPECT_EQ(tlsa_verify(verify({"3 1 256 00"}), console_), Exit::usage);
    TlsaVerify absent = verify({"3 1 1 00"});
    absent.chain = dir_ / "none.pem";
    EXPECT_EQ(tlsa_verify(absent, console_), Exit::usage);
    EXPECT_EQ(out_.str(), "");
    EXPECT_FALSE(err_.str().empty());
}

TEST_F(TlsaCommands, GenerateAndVerifyAgree) {
    TlsaGenerate made;
    made.host = "MX.ex.test.";
    made.key = dir_ / "key.pem";
    EXPECT_EQ(tlsa_generate(made, console_), Exit::ok);
    const std::string line = out_.str();
    out_.str("");
    EXPECT_TRUE(line.starts_with("_25._tcp.mx.ex.test. IN TLSA 3 1 1 ")) << line;
    const std::string record = line.substr(line.find("3 1 1"), line.size() - line.find("3 1 1") - 1);
    EXPECT_EQ(tlsa_verify(verify({record}), console_), Exit::ok);
    EXPECT_EQ(answer().at("verdict"), "dane-ee");
    EXPECT_EQ(err_.str(), "");
}

TEST_F(TlsaCommands, GenerateWarnsBesideTheRecord) {
    TlsaGenerate made;
    made.host = "mx.ex.test";
    made.cert = dir_ / "chain.pem";
    made.usage = 1;
    EXPECT_EQ(tlsa_generate(made, console_), Exit::ok);
    EXPECT_TRUE(err_.str().contains("warning: usages 0 and 1"));
    made.host = "no host";
    EXPECT_EQ(tlsa_generate(made, console_), Exit::usage);
    made.host = "mx.ex.test";
    made.cert = dir_ / "none.pem";
    EXPECT_EQ(tlsa_generate(made, console_), Exit::usage);
}

} // namespace
} // namespace danelaw::cli
