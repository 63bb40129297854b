// The contract's JSON of `danelaw check`, and what docs/check.md adds to it.
#include "danelaw/delivery/check.hpp"

#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

namespace danelaw::delivery {
namespace {

namespace json = boost::json;

json::object record_json(const dns::Tlsa& record) {
    json::object out;
    out["usage"] = record.usage;
    out["selector"] = record.selector;
    out["matching"] = record.matching;
    out["data"] = hex(record.data);
    const auto why = dane::unusable_because(record);
    out["usable"] = why.empty();
    if (!why.empty()) out["why"] = why;
    return out;
}

std::string_view word(KeyProbe::Kind k) {
    switch (k) {
    case KeyProbe::Kind::not_tried: return "not-tried";
    case KeyProbe::Kind::absent: return "absent";
    case KeyProbe::Kind::passes: return "passes";
    case KeyProbe::Kind::fails: return "fails";
    case KeyProbe::Kind::unknown: return "unknown";
    }
    return "?";
}

template <class T> std::string_view seen(const dns::Answer<T>& answer) {
    return answer.absent() ? "absent" : dns::word(answer.status);
}

json::value matched_json(const std::optional<tls::Outcome>& tls) {
    if (!tls || !tls->matched) return nullptr;
    json::object out;
    out["usage"] = tls->matched->record.usage;
    out["selector"] = tls->matched->record.selector;
    out["matching"] = tls->matched->record.matching;
    out["depth"] = tls->matched->depth;
    if (!tls->matched->name.empty()) out["name"] = tls->matched->name;
    return out;
}

json::object certificate_json(const tls::CertificateFacts& certificate) {
    json::object out;
    out["subject"] = printable(certificate.subject, 300);
    out["issuer"] = printable(certificate.issuer, 300);
    json::array names;
    for (const auto& name : certificate.names) names.emplace_back(printable(name, 300));
    out["names"] = std::move(names);
    out["not_before"] = rfc3339(certificate.not_before);
    out["not_after"] = rfc3339(certificate.not_after);
    out["key"] = certificate.key;
    out["spki_sha256"] = certificate.spki_sha256;
    out["cert_sha256"] = certificate.cert_sha256;
    return out;
}

json::array chain_json(const tls::Outcome& tls) {
    json::array out;
    for (const auto& certificate : tls.chain) out.push_back(certificate_json(certificate));
    return out;
}

// What a sender meets that negotiates this kind of key.
json::object key_json(const KeyProbe& probe) {
    json::object out;
    out["result"] = word(probe.kind);
    if (!probe.text.empty()) out["text"] = probe.text;
    if (!probe.tls) return out;
    out["level"] = danelaw::word(probe.tls->level);
    out["reason"] = danelaw::word(probe.tls->reason);
    if (!probe.tls->text.empty()) out["text"] = probe.tls->text;
    out["protocol"] = probe.tls->protocol;
    out["matched"] = matched_json(probe.tls);
    if (!probe.tls->chain.empty()) out["certificate"] = certificate_json(probe.tls->chain.front());
    return out;
}

json::object probe_json(const Probe& probe) {
    json::object out;
    out["address"] = probe.endpoint.address.text();
    out["starttls"] = probe.starttls;
    out["protocol"] = probe.tls ? probe.tls->protocol : "";
    out["cipher"] = probe.tls ? probe.tls->cipher : "";
    out["level"] = danelaw::word(probe.level);
    out["verdict"] = probe.ok ? "ok" : "fail";
    out["reason"] = danelaw::word(probe.reason());
    out["text"] = probe.text();
    if (probe.failure) out["stage"] = word(probe.failure->stage);
    out["matched"] = matched_json(probe.tls);
    if (probe.tls) out["chain"] = chain_json(*probe.tls);
    if (probe.ecdsa.kind != KeyProbe::Kind::not_tried) out["ecdsa"] = word(probe.ecdsa.kind);
    if (probe.rsa.kind != KeyProbe::Kind::not_tried) out["rsa"] = word(probe.rsa.kind);
    if (const auto which = covered(probe); !which.empty()) {
        out["covered"] = which;
        out["keys"] = json::object{{"ecdsa", key_json(probe.ecdsa)}, {"rsa", key_json(probe.rsa)}};
    }
    return out;
}

// The lookups behind a host, one by one: where a chain of trust ends is seen here (DANE-040…048).
void lookups_json(const dane::HostFacts& facts, json::object& out) {
    out["a_status"] = seen(facts.a);
    out["aaaa_status"] = seen(facts.aaaa);
    const bool by_a = facts.a.answered() && !facts.a.records.empty();
    const auto& family = by_a ? facts.a : facts.aaaa;
    out["address_ttl_s"] = family.ttl.count();
    if (family.aliased) out["canonical"] = family.canonical.text();
    if (facts.first_alias) out["alias_status"] = dns::word(*facts.first_alias);
    json::array asked;
    for (const auto& lookup : facts.tlsa) {
        json::object one{
            {"base", lookup.base.text()}, {"status", seen(lookup.answer)}, {"ttl_s", lookup.answer.ttl.count()}};
        if (!lookup.answer.why.empty()) one["why"] = lookup.answer.why;
        asked.push_back(std::move(one));
    }
    out["tlsa_lookups"] = std::move(asked);
}

json::object host_json(const HostCheck& host, const dane::Facts& facts) {
    const auto& plan = *host.plan;
    json::object out;
    out["name"] = plan.shown();
    out["preference"] = plan.preference;
    out["port"] = plan.port;
    out["address_status"] = dane::word(plan.address);
    json::array addresses;
    for (const auto& address : plan.addresses) addresses.emplace_back(address.text());
    out["addresses"] = std::move(addresses);
    out["tlsa_base"] = plan.tlsa_base.text();
    out["tlsa_status"] = dane::word(plan.tlsa);
    json::array records;
    for (const auto& record : plan.rrset) records.push_back(record_json(record));
    out["tlsa"] = std::move(records);
    out["requirement"] = dane::word(plan.requirement);
    out["reason"] = danelaw::word(plan.skip_reason);
    out["why"] = plan.why;
    out["secured"] = plan.secured;
    json::array names;
    for (const auto& name : plan.reference_names) names.emplace_back(name);
    out["reference_names"] = std::move(names);
    out["sni"] = plan.sni;
    const auto looked_up = std::ranges::find(facts.hosts, plan.name, &dane::HostFacts::name);
    if (looked_up != facts.hosts.end()) lookups_json(*looked_up, out);
    json::array probes;
    for (const auto& probe : host.probes) probes.push_back(probe_json(probe));
    out["probes"] = std::move(probes);
    return out;
}

json::object mx_json(const dane::Plan& plan, const std::optional<dns::Answer<dns::Mx>>& answer) {
    json::object out;
    out["status"] = dane::word(plan.mx);
    out["null_mx"] = plan.null_mx;
    if (!answer) return out;
    if (answer->aliased) out["canonical"] = answer->canonical.text();
    if (!answer->why.empty()) out["why"] = answer->why;
    out["ttl_s"] = answer->ttl.count();
    auto sorted = answer->records;
    std::ranges::sort(sorted, {}, [](const dns::Mx& r) { return std::pair(r.preference, r.exchange); });
    json::array records;
    for (const auto& record : sorted) {
        json::object one{{"preference", record.preference}, {"exchange", record.exchange.text()}};
        records.push_back(std::move(one));
    }
    out["records"] = std::move(records);
    return out;
}

json::object sts_json(const StsResult& sts) {
    json::object out;
    out["announced"] = sts.announced;
    if (sts.policy) {
        out["mode"] = sts::word(sts.policy->mode);
        json::array mx;
        for (const auto& pattern : sts.policy->mx) mx.emplace_back(pattern);
        out["mx"] = std::move(mx);
        out["max_age"] = sts.policy->max_age.count();
    }
    if (sts.failure != Reason::none) out["reason"] = danelaw::word(sts.failure);
    if (!sts.text.empty()) out["text"] = sts.text;
    return out;
}

std::string_view verdict_word(const std::optional<Verdict>& verdict) {
    if (!verdict) return "defer"; // fail closed
    switch (*verdict) {
    case Verdict::delivered: return "deliver";
    case Verdict::deferred: return "defer";
    case Verdict::bounced:
    case Verdict::expired: return "bounce";
    }
    return "defer";
}

} // namespace

json::object to_json(const CheckReport& report, const CheckRequest& request) {
    const auto& plan = report.route.plan;
    json::object out;
    out["domain"] = request.lane;
    out["policy"] = danelaw::word(report.route.destination.rules.policy);
    if (!report.route.destination.note.empty()) out["policy_note"] = report.route.destination.note;
    out["at"] = rfc3339(request.at);
    out["mx"] = mx_json(plan, report.route.facts.mx);
    json::array hosts;
    for (const auto& host : report.hosts) hosts.push_back(host_json(host, report.route.facts));
    out["hosts"] = std::move(hosts);
    out["mta_sts"] = sts_json(report.route.sts);
    json::array notes, advice, hints;
    for (const auto& note : plan.notes) notes.emplace_back(note);
    for (const auto& line : report.advice) advice.emplace_back(line);
    for (const auto& line : report.hints) hints.emplace_back(line);
    out["notes"] = std::move(notes);
    out["advice"] = std::move(advice);
    out["hints"] = std::move(hints);
    out["verdict"] = verdict_word(report.verdict);
    out["level"] = danelaw::word(report.level);
    out["reason"] = danelaw::word(report.reason);
    out["text"] = report.text;
    return out;
}

} // namespace danelaw::delivery
