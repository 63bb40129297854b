// Counters into the document that RFC 8460 4.4 asks for, and the mail that carries it.
#include "danelaw/tlsrpt/report.hpp"

#include "digest.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/dns/name.hpp"
#include "danelaw/message/transfer_encoding.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace danelaw::tlsrpt {
namespace {

namespace json = boost::json;

struct PolicySum {
    std::uint64_t successes = 0, failures = 0;
    std::map<std::string, std::uint64_t> details; // failure text → sessions
};

// Short, the same for the same relay, and nobody else's.
std::string mark_of(const std::string& text) {
    return hex(sha256(text).substr(0, 4));
}

json::array details_of(const PolicySum& sum) {
    std::vector<std::pair<std::string, std::uint64_t>> all(sum.details.begin(), sum.details.end());
    std::ranges::sort(all, [](const auto& a, const auto& b) {
        return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    if (all.size() > limits::report_details) all.resize(limits::report_details);
    json::array out;
    for (const auto& [text, sessions] : all) {
        boost::system::error_code broken;
        auto detail = json::parse(text, broken);
        if (broken || !detail.is_object()) continue;
        detail.as_object()["failed-session-count"] = sessions;
        out.push_back(std::move(detail));
    }
    return out;
}

json::object policy_entry(json::value policy, const PolicySum& sum) {
    json::object out;
    out["policy"] = std::move(policy);
    json::object summary;
    summary["total-successful-session-count"] = sum.successes;
    summary["total-failure-session-count"] = sum.failures;
    out["summary"] = std::move(summary);
    if (!sum.details.empty()) out["failure-details"] = details_of(sum);
    return out;
}

std::uint64_t seconds_of(const std::string& day, std::int64_t more) {
    const auto start = parse_day(day);
    const auto since = start ? std::chrono::sys_seconds(*start).time_since_epoch().count() : 0;
    return static_cast<std::uint64_t>(since + more);
}

} // namespace

std::string Submitter::domain() const {
    const auto name = dns::Name::from(std::string_view(contact).substr(contact.rfind('@') + 1));
    return name ? name->text() : hostname;
}

std::string report_id(const Submitter& who, const std::string& day, const std::string& domain) {
    return fmt::format("{}.{}.{}@{}", day, domain, mark_of(who.hostname), who.domain());
}

std::string file_name(const Submitter& who, const std::string& day, const std::string& domain) {
    return fmt::format("{}!{}!{}!{}!{}.json.gz", who.domain(), domain, seconds_of(day, 0), seconds_of(day, 86399),
                       mark_of(who.hostname));
}

json::object document(const Submitter& who, const std::string& day, const std::string& domain,
                      const std::vector<Counted>& counted, const Policies& policies) {
    std::map<std::string, PolicySum> sums; // by policy text: the same order in every try
    for (const auto& one : counted) {
        const auto policy = policies.find(one.group.digest);
        if (policy == policies.end() || one.count == 0) continue;
        auto& sum = sums[policy->second];
        if (one.group.failure.empty()) {
            sum.successes += one.count;
        } else {
            sum.failures += one.count;
            sum.details[one.group.failure] += one.count;
        }
    }
    json::object out;
    out["organization-name"] = who.organization;
    json::object range;
    range["start-datetime"] = day + "T00:00:00Z";
    range["end-datetime"] = day + "T23:59:59Z";
    out["date-range"] = std::move(range);
    out["contact-info"] = who.contact;
    out["report-id"] = report_id(who, day, domain);
    json::array all;
    for (const auto& [text, sum] : sums) {
        boost::system::error_code broken;
        auto policy = json::parse(text, broken);
        if (!broken) all.push_back(policy_entry(std::move(policy), sum));
    }
    out["policies"] = std::move(all);
    return out;
}

std::string compose_mail(const Submitter& who, const MailFacts& facts) {
    const auto name = file_name(who, facts.day, facts.domain);
    const auto id = report_id(who, facts.day, facts.domain);
    // `=_` stands in no base64 text and in no line of ours.
    const auto boundary = "=_danelaw-" + mark_of(id + facts.message_id);
    std::string out;
    const auto line = [&out](std::string_view text) {
        out += text;
        out += "\r\n";
    };
    line("Date: " + rfc5322_date(facts.now));
    line("From: <" + facts.from + ">");
    line("To: <" + facts.to + ">");
    line("Subject: Report Domain: " + facts.domain); // TR-043
    line("\tSubmitter: " + who.domain());
    line("\tReport-ID: <" + id + ">");
    line("Message-ID: " + facts.message_id);
    line("TLS-Report-Domain: " + facts.domain);
    line("TLS-Report-Submitter: " + who.domain());
    line("TLS-Required: No"); // TR-045, RFC 8689 3: later hops let it through too
    line("Auto-Submitted: auto-generated");
    line("MIME-Version: 1.0");
    line("Content-Type: multipart/report; report-type=\"tlsrpt\";");
    line("\tboundary=\"" + boundary + "\"");
    line("");
    line("--" + boundary);
    line("Content-Type: text/plain; charset=us-ascii");
    line("");
    line("This is an aggregate report on the TLS sessions of " + facts.day + " (UTC) with the mail");
    line("servers of the domain");
    line("    " + facts.domain);
    line("as seen by");
    line("    " + who.domain());
    line("in the form of RFC 8460. The attachment is JSON, compressed with gzip.");
    line("--" + boundary);
    line("Content-Type: application/tlsrpt+gzip;");
    line("\tname=\"" + name + "\"");
    line("Content-Transfer-Encoding: base64");
    line("Content-Disposition: attachment;");
    line("\tfilename=\"" + name + "\"");
    line("");
    out += message::base64_lines(facts.compressed);
    line("--" + boundary + "--");
    return out;
}

} // namespace danelaw::tlsrpt
