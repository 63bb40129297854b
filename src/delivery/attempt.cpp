// An attempt as the JSON object that log and trace share.
#include "attempt.hpp"

#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace danelaw::delivery {
namespace {

namespace json = boost::json;

// Whole certificates in a record would drown the log line; their start tells which one it is.
std::string short_text(const dns::Tlsa& record) {
    constexpr std::size_t shown = 64;
    if (record.data.size() <= shown) return record.text();
    dns::Tlsa cut = record;
    cut.data.resize(shown);
    return cut.text() + "...";
}

json::object dns_facts(const Attempt& attempt) {
    json::object out;
    out["mx"] = word(attempt.host ? attempt.host->mx : attempt.mx);
    out["address"] = word(attempt.host ? attempt.host->address : dane::Seen::not_queried);
    out["tlsa"] = word(attempt.host ? attempt.host->tlsa : dane::Seen::not_queried);
    return out;
}

json::object tls_facts(const Attempt& attempt) {
    json::object out;
    out["level"] = word(attempt.level);
    out["secured"] = attempt.host != nullptr && attempt.host->secured &&
                     (attempt.level == Level::dane_ee || attempt.level == Level::dane_ta);
    if (!attempt.tls) return out;
    out["protocol"] = attempt.tls->protocol;
    out["cipher"] = attempt.tls->cipher;
    out["sni"] = attempt.host ? attempt.host->sni : "";
    if (attempt.tls->matched) {
        const auto& matched = *attempt.tls->matched;
        json::object by;
        by["record"] = short_text(matched.record);
        by["depth"] = matched.depth;
        if (!matched.name.empty()) by["name"] = matched.name;
        out["matched"] = std::move(by);
    }
    if (!attempt.tls->chain.empty()) {
        const auto& leaf = attempt.tls->chain.front();
        json::object certificate;
        certificate["subject"] = printable(leaf.subject, 200);
        certificate["not_after"] = rfc3339(leaf.not_after);
        certificate["spki_sha256"] = leaf.spki_sha256;
        out["certificate"] = std::move(certificate);
    }
    return out;
}

} // namespace

void Attempt::take(const RecipientResult& one) {
    switch (one.verdict) {
    case Verdict::delivered: ++delivered; break;
    case Verdict::deferred: ++deferred; break;
    case Verdict::bounced:
    case Verdict::expired: ++bounced; break;
    }
    const bool worse = text.empty() || verdict == Verdict::delivered;
    if (!worse && one.verdict != Verdict::bounced) return;
    verdict = one.verdict;
    reason = one.reason;
    code = one.code;
    enhanced = one.enhanced;
    text = one.text;
}

json::object to_json(const Attempt& attempt) {
    json::object out;
    out["id"] = attempt.id;
    out["domain"] = attempt.domain;
    out["host"] = attempt.host ? attempt.host->shown() : "";
    if (attempt.endpoint) {
        out["address"] = attempt.endpoint->address.text();
        out["port"] = attempt.endpoint->port;
    }
    out["dns"] = dns_facts(attempt);
    if (attempt.host && !attempt.host->rrset.empty()) {
        json::array records;
        for (const auto& record : attempt.host->rrset) {
            auto text = short_text(record);
            if (!dane::usable(record)) text += " (unusable)";
            records.emplace_back(std::move(text));
        }
        out["tlsa"] = std::move(records);
    }
    if (attempt.host) {
        out["requirement"] = word(attempt.host->requirement);
        if (!attempt.host->tlsa_base.empty()) out["tlsa_base"] = attempt.host->tlsa_base.text();
    }
    out["tls"] = tls_facts(attempt);
    if (attempt.sts_testing) {
        json::object testing;
        testing["mode"] = "testing";
        testing["passed"] = *attempt.sts_testing == Reason::none;
        testing["reason"] = word(*attempt.sts_testing);
        out["mta_sts"] = std::move(testing);
    }
    if (attempt.reused) out["reused"] = true;
    out["result"] = word(attempt.verdict);
    out["reason"] = word(attempt.reason);
    if (attempt.code != 0) out["code"] = attempt.code;
    if (!attempt.enhanced.empty()) out["enhanced"] = attempt.enhanced;
    out["text"] = printable(attempt.text, 500);
    if (attempt.possible_duplicate) out["possible_duplicate"] = true;
    if (attempt.delivered + attempt.deferred + attempt.bounced > 1) {
        json::object recipients;
        recipients["delivered"] = attempt.delivered;
        recipients["deferred"] = attempt.deferred;
        recipients["bounced"] = attempt.bounced;
        out["recipients"] = std::move(recipients);
    }
    const auto ms = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - attempt.began).count();
    out["ms"] = ms;
    return out;
}

std::string status_of(Reason reason, Verdict verdict, std::string_view detail) {
    const char cls = verdict == Verdict::delivered ? '2' : verdict == Verdict::bounced ? '5' : '4';
    return fmt::format("{}.{}", cls, detail.empty() ? status_detail(reason) : detail);
}

} // namespace danelaw::delivery
