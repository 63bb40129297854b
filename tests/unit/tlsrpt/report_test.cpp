// From sessions to the document and its mail (TR-011…TR-014, TR-020, TR-030…TR-033, TR-042…TR-049; H147, H148).
#include "danelaw/tlsrpt/report.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace danelaw::tlsrpt {
namespace {

namespace json = boost::json;

const Submitter who{"Example Org", "tls@xn--bcher-kva.test", "relay.test"};
const std::string day = "2026-11-25";

Session dane(std::string result = "", std::string code = "") {
    Session s;
    s.next_hop = "d.test";
    s.policy_type = PolicyType::tlsa;
    s.policy_string = {"3 1 1 AB"};
    s.policy_domain = "mx.d.test";
    s.result_type = std::move(result);
    s.sending_ip = "192.0.2.1";
    s.receiving_ip = "2001:db8::1";
    s.receiving_mx_hostname = "mx.d.test";
    s.receiving_mx_helo = "helo.d.test";
    s.failure_reason_code = std::move(code);
    return s;
}

struct Store { // what counter and queue do between them
    std::map<std::string, std::uint64_t> counters;
    Policies policies;
    void count(const Session& session, std::uint64_t n = 1) {
        const auto group = group_of(session, day);
        policies[group.digest] = policy_text(session);
        counters[group.key()] += n;
    }
    json::object report() const {
        std::vector<Counted> counted;
        for (const auto& [key, n] : counters) counted.push_back({*parse_key(key), n});
        return document(who, day, "d.test", counted, policies);
    }
};

TEST(Document, IsComplete) { // TR-030, TR-031, H147
    Store store;
    store.count(dane(), 3);
    store.count(dane("tlsa-invalid", "X"), 2);
    const auto want = json::parse(R"({
      "organization-name": "Example Org",
      "date-range": {"start-datetime": "2026-11-25T00:00:00Z", "end-datetime": "2026-11-25T23:59:59Z"},
      "contact-info": "tls@xn--bcher-kva.test",
      "report-id": "2026-11-25.d.test.ID@xn--bcher-kva.test",
      "policies": [{
        "policy": {"policy-type": "tlsa", "policy-string": ["3 1 1 AB"], "policy-domain": "mx.d.test"},
        "summary": {"total-successful-session-count": 3, "total-failure-session-count": 2},
        "failure-details": [{"result-type": "tlsa-invalid", "sending-mta-ip": "192.0.2.1",
          "receiving-mx-hostname": "mx.d.test", "receiving-mx-helo": "helo.d.test", "receiving-ip": "2001:db8::1",
          "failure-reason-code": "X", "failed-session-count": 2}]}]})");
    auto got = store.report();
    const std::string id(got["report-id"].as_string());
    EXPECT_EQ(id, report_id(who, day, "d.test"));
    got["report-id"] = want.at("report-id");
    EXPECT_EQ(json::serialize(got), json::serialize(want));
}

TEST(Document, Groups) {
    Session sts = dane();
    sts.policy_type = PolicyType::sts;
    sts.policy_string = {"version: STSv1", "mode: enforce", "mx: *.d.test", "max_age: 86400"};
    sts.policy_domain = "d.test";
    sts.mx_host = {"*.d.test"};
    Session none = dane("starttls-not-supported");
    none.policy_type = PolicyType::no_policy_found;
    none.policy_string.clear();
    none.policy_domain = "d.test";
    Session other = dane("tlsa-invalid", "X");
    other.policy_domain = "mx2.d.test";
    Session bogus = dane("dnssec-invalid", "bogus");
    bogus.policy_string.clear();
    bogus.sending_ip.clear();
    bogus.receiving_ip.clear();

    Store store;
    store.count(sts);
    store.count(none);
    store.count(other);
    store.count(bogus);
    store.count(dane("tlsa-invalid", "X"));
    store.count(dane("tlsa-invalid", "Y"));
    const auto report = store.report();
    const auto& all = report.at("policies").as_array();
    ASSERT_EQ(all.size(), 5u); // TR-011: a policy for each TLSA base; H147: an array
    for (const auto& one : all) {
        const auto& policy = one.at("policy").as_object();
        const auto type = policy.at("policy-type").as_string();
        EXPECT_TRUE(policy.contains("policy-domain")); // H147: also of no-policy-found
        EXPECT_EQ(policy.contains("policy-string"), type != "no-policy-found");
        EXPECT_EQ(policy.contains("mx-host"), type == "sts"); // erratum 6241
        if (type == "sts") {
            EXPECT_EQ(policy.at("policy-string").as_array().size(), 4u);
            EXPECT_TRUE(policy.at("mx-host").is_array());
            EXPECT_FALSE(one.as_object().contains("failure-details"));
        }
        if (type == "tlsa" && policy.at("policy-string").as_array().empty()) { // TR-014
            const auto& detail = one.at("failure-details").at(0).as_object();
            EXPECT_EQ(detail.at("result-type"), "dnssec-invalid");
            EXPECT_FALSE(detail.contains("sending-mta-ip") || detail.contains("receiving-ip")); // no connection
        }
        if (policy.at("policy-domain") == "mx.d.test" && !policy.at("policy-string").as_array().empty()) {
            EXPECT_EQ(one.at("failure-details").as_array().size(), 2u); // X and Y apart
        }
    }
}

TEST(Document, ManyFailuresAreCutButCounted) { // TR-048
    Store store;
    for (std::size_t i = 0; i < limits::report_details + 5; ++i)
        store.count(dane("validation-failure", std::to_string(i)));
    const auto report = store.report();
    const auto& one = report.at("policies").at(0);
    EXPECT_EQ(one.at("failure-details").as_array().size(), limits::report_details);
    EXPECT_EQ(one.at("summary").at("total-failure-session-count").to_number<std::size_t>(), limits::report_details + 5);
}

TEST(Keys, Roundtrip) { // TR-020
    const auto group = group_of(dane("tlsa-invalid", "with blanks in it"), day);
    const auto back = parse_key(group.key());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->key(), group.key());
    EXPECT_EQ(coarse(*back).failure, R"({"result-type":"tlsa-invalid"})");
    for (const char* bad : {"", "x", "2026-11-25", "2026-11-25 d.test", "2026-13-25 d.test x y"})
        EXPECT_FALSE(parse_key(bad)) << bad;
}

TEST(Keys, StayShort) { // whatever a peer says
    auto session = dane("validation-failure", std::string(5000, 'x'));
    session.receiving_mx_helo = std::string(5000, 'y');
    EXPECT_LT(group_of(session, day).key().size(), 2000u);
}

TEST(FileName, Golden) { // TR-032
    const auto name = file_name(who, day, "d.test");
    EXPECT_TRUE(name.starts_with("xn--bcher-kva.test!d.test!1795564800!1795651199!")) << name;
    EXPECT_TRUE(name.ends_with(".json.gz"));
    const Submitter sister{who.organization, who.contact, "relay2.test"};
    EXPECT_NE(name, file_name(sister, day, "d.test")); // TR-020
}

TEST(Mail, Form) { // TR-042, TR-043, TR-045, H148
    MailFacts facts;
    facts.from = "noreply@relay.test";
    facts.to = "r@d.test";
    facts.message_id = "<1@relay.test>";
    facts.now = *parse_rfc3339("2026-11-26T01:02:03.000Z");
    facts.day = day;
    facts.domain = "d.test";
    facts.compressed = std::string(1000, '\x8b');
    const auto mail = compose_mail(who, facts);
    for (const char* line :
         {"From: <noreply@relay.test>\r\n", "To: <r@d.test>\r\n", "Date: Thu, 26 Nov 2026 01:02:03 +0000\r\n",
          "Subject: Report Domain: d.test\r\n\tSubmitter: xn--bcher-kva.test\r\n\tReport-ID: <2026-11-25.d.test.",
          "TLS-Report-Domain: d.test\r\n", "TLS-Report-Submitter: xn--bcher-kva.test\r\n", "TLS-Required: No\r\n",
          "Auto-Submitted: auto-generated\r\n", "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n",
          "Content-Type: application/tlsrpt+gzip;\r\n", "Content-Transfer-Encoding: base64\r\n"})
        EXPECT_NE(mail.find(line), std::string::npos) << line;
    EXPECT_NE(mail.find("filename=\"" + file_name(who, day, "d.test") + "\""), std::string::npos);
    std::size_t longest = 0;
    for (const auto& line : split(mail, '\n')) longest = std::max(longest, line.size());
    EXPECT_LT(longest, 140u);
    EXPECT_TRUE(is_ascii(mail));
}

TEST(Days, Parse) {
    EXPECT_TRUE(parse_day("2026-11-25"));
    for (const char* bad : {"", "2026-11-31", "2026-11-25T", "26-11-25", "yesterday"})
        EXPECT_FALSE(parse_day(bad)) << bad;
    EXPECT_EQ(day_of(*parse_rfc3339("2026-11-25T23:59:59.999Z")), "2026-11-25"); // TR-030
}

} // namespace
} // namespace danelaw::tlsrpt
