// The contract's JSON of `danelaw check`.
#include "danelaw/delivery/check.hpp"

#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>

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

std::string_view word(Probe::Kind k) {
    switch (k) {
    case Probe::Kind::not_tried: return "not-tried";
    case Probe::Kind::absent: return "absent";
    case Probe::Kind::passes: return "passes";
    case Probe::Kind::fails: return "fails";
    }
    return "?";
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

json::array chain_json(const tls::Outcome& tls) {
    json::array out;
    for (const auto& certificate : tls.chain) {
        json::object one;
        one["subject"] = printable(certificate.subject, 300);
        one["issuer"] = printable(certificate.issuer, 300);
        json::array names;
        for (const auto& name : certificate.names) names.emplace_back(printable(name, 300));
        one["names"] = std::move(names);
        one["not_before"] = rfc3339(certificate.not_before);
        one["not_after"] = rfc3339(certificate.not_after);
        one["key"] = certificate.key;
        one["spki_sha256"] = certificate.spki_sha256;
        one["cert_sha256"] = certificate.cert_sha256;
        out.push_back(std::move(one));
    }
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
    out["reason"] = danelaw::word(probe.reason);
    out["text"] = probe.text;
    out["matched"] = matched_json(probe.tls);
    if (probe.tls) out["chain"] = chain_json(*probe.tls);
    if (probe.ecdsa != Probe::Kind::not_tried) out["ecdsa"] = word(probe.ecdsa);
    if (probe.rsa != Probe::Kind::not_tried) out["rsa"] = word(probe.rsa);
    return out;
}

json::object host_json(const HostCheck& host) {
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
    json::array probes;
    for (const auto& probe : host.probes) probes.push_back(probe_json(probe));
    out["probes"] = std::move(probes);
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
    json::object mx;
    mx["status"] = dane::word(plan.mx);
    mx["null_mx"] = plan.null_mx;
    out["mx"] = std::move(mx);
    json::array hosts;
    for (const auto& host : report.hosts) hosts.push_back(host_json(host));
    out["hosts"] = std::move(hosts);
    out["mta_sts"] = sts_json(report.route.sts);
    json::array notes, advice;
    for (const auto& note : plan.notes) notes.emplace_back(note);
    for (const auto& line : report.advice) advice.emplace_back(line);
    out["notes"] = std::move(notes);
    out["advice"] = std::move(advice);
    out["verdict"] = verdict_word(report.verdict);
    out["level"] = danelaw::word(report.level);
    out["reason"] = danelaw::word(report.reason);
    out["text"] = report.text;
    return out;
}

} // namespace danelaw::delivery
