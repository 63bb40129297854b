// Sessions into groups, groups into keys and back.
#include "danelaw/tlsrpt/tally.hpp"

#include "digest.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/dns/name.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace danelaw::tlsrpt {
namespace {

namespace json = boost::json;

constexpr std::size_t word_most = 200;  // of one member of failure-details: a peer's words are short or cut
constexpr std::size_t line_most = 4096; // of a policy's line; a TLSA record that holds a whole certificate fits
constexpr std::size_t lines_most = 100;

json::array strings(const std::vector<std::string>& lines) {
    json::array out;
    for (const auto& line : lines) {
        if (out.size() == lines_most) break;
        out.emplace_back(printable(line, line_most));
    }
    return out;
}

void add(json::object& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out[name] = printable(value, word_most);
}

std::string failure_text(const Session& session) {
    if (session.result_type.empty()) return {};
    json::object out;
    out["result-type"] = session.result_type;
    add(out, "sending-mta-ip", session.sending_ip);
    add(out, "receiving-mx-hostname", session.receiving_mx_hostname);
    add(out, "receiving-mx-helo", session.receiving_mx_helo);
    add(out, "receiving-ip", session.receiving_ip);
    add(out, "failure-reason-code", session.failure_reason_code);
    return json::serialize(out);
}

std::string digest_of(std::string_view text) {
    return hex(sha256(text).substr(0, 12));
}

} // namespace

std::string_view word(PolicyType t) {
    switch (t) {
    case PolicyType::tlsa: return "tlsa";
    case PolicyType::sts: return "sts";
    case PolicyType::no_policy_found: return "no-policy-found";
    }
    return "?";
}

std::string day_of(Time t) {
    return rfc3339(t).substr(0, 10);
}

std::optional<std::chrono::sys_days> parse_day(std::string_view text) {
    const auto at = text.size() == 10 ? parse_rfc3339(std::string(text) + "T00:00:00.000Z") : std::nullopt;
    if (!at) return std::nullopt;
    return std::chrono::floor<std::chrono::days>(*at);
}

std::string Group::key() const {
    return day + ' ' + domain + ' ' + digest + ' ' + failure;
}

std::optional<Group> parse_key(std::string_view key) {
    Group out;
    for (std::string* part : {&out.day, &out.domain, &out.digest}) {
        const auto blank = key.find(' ');
        if (blank == std::string_view::npos) return std::nullopt;
        *part = key.substr(0, blank);
        key.remove_prefix(blank + 1);
    }
    out.failure = key;
    if (!parse_day(out.day) || !dns::Name::from(out.domain)) return std::nullopt;
    return out;
}

std::string policy_text(const Session& session) {
    json::object out;
    out["policy-type"] = word(session.policy_type);
    // An empty list says more than none: a TLSA lookup failed, or no policy body was had (TR-014).
    if (session.policy_type != PolicyType::no_policy_found) out["policy-string"] = strings(session.policy_string);
    out["policy-domain"] = printable(session.policy_domain, word_most + 60);
    // RFC 8460 erratum 6241: an array
    if (session.policy_type == PolicyType::sts && !session.mx_host.empty()) out["mx-host"] = strings(session.mx_host);
    return json::serialize(out);
}

Group group_of(const Session& session, std::string_view day) {
    Group out;
    out.day = day;
    out.domain = session.next_hop;
    out.digest = digest_of(policy_text(session));
    out.failure = failure_text(session);
    return out;
}

Group coarse(Group group) {
    if (group.failure.empty()) return group;
    boost::system::error_code broken;
    const auto all = json::parse(group.failure, broken);
    if (broken || !all.is_object()) return group;
    json::object less;
    if (const auto* result = all.as_object().if_contains("result-type")) less["result-type"] = *result;
    group.failure = json::serialize(less);
    return group;
}

} // namespace danelaw::tlsrpt
