// What should the remote side mend, and what could it do better? Words for people from what a check found; pure.
// Called by `danelaw check`. RFC 7672 2.1.3, 2.2.3, 3.1, 3.2; RFC 7671 8; H68, H69, H74.
#include "danelaw/delivery/check.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/tls/tools.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace danelaw::delivery {
namespace {

using Kind = KeyProbe::Kind;

constexpr auto renew_within = std::chrono::days(14);

std::string day(Time t) {
    return rfc3339(t).substr(0, 10);
}

const tls::CertificateFacts* leaf_of(const std::optional<tls::Outcome>& tls) {
    return tls && !tls->chain.empty() ? &tls->chain.front() : nullptr;
}

// The record that fits the key shown, as a zone file wants it.
std::string record_for(const dns::Name& base, unsigned port, const std::optional<tls::Outcome>& tls) {
    const auto* leaf = leaf_of(tls);
    if (leaf == nullptr) return "a record for the present key (danelaw tlsa generate)";
    return tls::zone_line(base, port, {3, 1, 1, unhex(leaf->spki_sha256).value_or("")});
}

std::string names_of(const std::optional<tls::Outcome>& tls) {
    const auto* leaf = leaf_of(tls);
    if (leaf == nullptr) return "";
    return leaf->names.empty() ? "; it has no DNS name" : "; it has " + join(leaf->names, ", ");
}

// Who said that there would be TLS?
std::string who_asks(const dane::HostPlan& host) {
    if (host.tlsa_in_force()) return "its TLSA records promise it";
    if (host.requirement == dane::Requirement::mta_sts) return "its MTA-STS policy promises it";
    return "a policy of this relay demands it";
}

std::string certificate_wrong(const dane::HostPlan& host, Reason reason, const std::optional<tls::Outcome>& tls) {
    const auto* leaf = leaf_of(tls);
    if (reason == Reason::tlsa_invalid)
        return fmt::format("the certificate matches no TLSA record: install the one that the records name, or, if this "
                           "key is meant, publish {}",
                           record_for(host.tlsa_base, host.port, tls));
    if (reason == Reason::certificate_host_mismatch)
        return fmt::format("the certificate needs the name {}{}", join(host.reference_names, " or "), names_of(tls));
    if (reason == Reason::certificate_expired && leaf != nullptr)
        return fmt::format("a certificate of the chain is out of date (the server's own: {} to {}): renew it",
                           day(leaf->not_before), day(leaf->not_after));
    if (reason == Reason::certificate_not_trusted && host.requirement == dane::Requirement::dane)
        return "send the whole chain, up to the trust anchor that the TLSA record of usage 2 names, each certificate "
               "signed by a CA certificate";
    if (reason == Reason::certificate_not_trusted)
        return "use a certificate of a public CA for the host's name, and send the CA's intermediate certificates";
    return tls ? tls->text : "the certificate can't be verified";
}

std::string conversation_wrong(const dane::HostPlan& host, const Probe& probe) {
    const Reason reason = probe.reason();
    if (reason == Reason::starttls_not_supported)
        return (probe.starttls ? "accept STARTTLS, which is offered and then refused; "
                               : "offer STARTTLS to every client; ") +
               who_asks(host);
    if (reason == Reason::tls_handshake_failed)
        return fmt::format("the TLS handshake fails; TLS {} or later with a common cipher is needed{}",
                           host.min_protocol, host.sni.empty() ? "" : ", for the server name " + host.sni);
    if (reason == Reason::connect_failed || reason == Reason::timeout)
        return fmt::format("port {} can't be used: repair it, or take the address out of DNS", host.port);
    if (reason == Reason::mail_loop)
        return "mail would come back to this relay: correct the MX records, or give a next_hop";
    if (reason == Reason::smtp_reply || reason == Reason::connection_lost)
        return "the server turns us away: " + probe.text();
    return certificate_wrong(host, reason, probe.tls);
}

// RFC 7671 8: what one sender negotiates another does not.
std::string other_kind_wrong(const dane::HostPlan& host, const Probe& probe) {
    const auto which = covered(probe);
    if (which != "ecdsa" && which != "rsa") return "";
    const bool rsa_fails = which == "ecdsa";
    const auto& failing = rsa_fails ? probe.rsa : probe.ecdsa;
    const std::string_view good = rsa_fails ? "ECDSA" : "RSA", bad = rsa_fails ? "RSA" : "ECDSA";
    const Reason reason = failing.tls ? failing.tls->reason : Reason::none;
    if (reason == Reason::tlsa_invalid)
        return fmt::format("the TLSA records cover the {} certificate only, not the {} one, which other senders "
                           "negotiate: publish {} too",
                           good, bad, record_for(host.tlsa_base, host.port, failing.tls));
    return fmt::format("the {} certificate passes, the {} one, which other senders negotiate, does not ({}): {}", good,
                       bad, word(reason), certificate_wrong(host, reason, failing.tls));
}

std::string not_usable(const dane::Plan& plan, const dane::HostPlan& host) {
    if (host.skip_reason == Reason::dnssec_invalid)
        return "sign the zone anew, or correct the DS records at its parent: " + host.why;
    if (host.skip_reason == Reason::dns_error && host.tlsa == dane::Seen::error)
        return "its name servers must answer TLSA queries, be it with a proof that there is no record: " + host.why;
    if (host.skip_reason == Reason::dns_error) return "its name servers must answer: " + host.why;
    if (host.skip_reason == Reason::no_usable_host)
        return "give the host an address that can be reached, or drop its MX record";
    if (host.skip_reason == Reason::dane_required)
        return fmt::format("{}; this relay's policy for {} is dane-only, so that nothing but signed zones and TLSA "
                           "records helps",
                           host.why, plan.next_hop.name.text());
    if (host.skip_reason == Reason::tlsa_invalid) return "publish TLSA records of usage 3 or 2: " + host.why;
    if (host.skip_reason == Reason::validation_failure && host.sts == dane::HostPlan::Sts::enforce)
        return "name the host in the MTA-STS policy, or drop its MX record: " + host.why;
    return host.why;
}

// One line per fault, with the addresses that have it unless all do.
class Lines {
  public:
    void add(std::string text, const std::string& address) {
        if (text.empty()) return;
        const auto known = std::ranges::find(lines_, text, &Line::text);
        if (known != lines_.end())
            known->addresses.push_back(address);
        else
            lines_.push_back({std::move(text), {address}});
    }
    void give(const HostCheck& host, std::vector<std::string>& out) const {
        for (const auto& line : lines_) {
            const bool all = line.addresses.size() == host.probes.size();
            out.push_back(
                fmt::format("{}{}: {}", host.plan->shown(), all ? "" : " at " + join(line.addresses, ", "), line.text));
        }
    }

  private:
    struct Line {
        std::string text;
        std::vector<std::string> addresses;
    };
    std::vector<Line> lines_;
};

void advise_host(CheckReport& report, const HostCheck& host) {
    const auto& plan = *host.plan;
    if (plan.requirement == dane::Requirement::skip)
        report.advice.push_back(plan.shown() + ": " + not_usable(report.route.plan, plan));
    if (plan.tlsa_unusable && plan.requirement != dane::Requirement::skip)
        report.advice.push_back(plan.shown() + ": no TLSA record is usable for SMTP (usage 2 or 3 is): mail goes out "
                                               "encrypted but unauthenticated");
    Lines lines;
    for (const auto& probe : host.probes) {
        const auto address = probe.endpoint.address.text();
        if (probe.failure) lines.add(conversation_wrong(plan, probe), address);
        lines.add(other_kind_wrong(plan, probe), address);
    }
    lines.give(host, report.advice);
}

// Nothing may be tried, and no host is to blame: rows 1 to 4 of the decision table.
void advise_domain(CheckReport& report) {
    const auto& plan = report.route.plan;
    if (!plan.halt || !plan.hosts.empty()) return;
    const std::string domain = plan.next_hop.name.text() + ": ";
    const Reason reason = plan.halt->reason; // a null MX is meant as it is
    if (reason == Reason::dnssec_invalid)
        report.advice.push_back(domain + "sign the zone anew, or correct the DS records at its parent");
    if (reason == Reason::dns_error) report.advice.push_back(domain + "its name servers must answer MX queries");
    if (reason == Reason::domain_not_found) report.advice.push_back(domain + "is the name written as it should be?");
    if (reason == Reason::mail_loop)
        report.advice.push_back(domain + "its MX records lead to this relay: give a next_hop in policies");
}

const dane::HostFacts* facts_of(const CheckReport& report, const dane::HostPlan& host) {
    const auto& all = report.route.facts.hosts;
    const auto found = std::ranges::find(all, host.name, &dane::HostFacts::name);
    return found == all.end() ? nullptr : &*found;
}

// Signed, and only the record is missing.
void hint_at_tlsa(CheckReport& report, const HostCheck& host) {
    const auto& plan = *host.plan;
    const auto* facts = facts_of(report, plan);
    if (plan.tlsa != dane::Seen::absent || facts == nullptr || facts->tlsa.empty()) return;
    if (plan.mx == dane::Seen::insecure || plan.requirement == dane::Requirement::skip) return;
    for (const auto& probe : host.probes) {
        if (leaf_of(probe.tls) == nullptr) continue;
        report.hints.push_back(fmt::format("{}: one record away from DANE: {}", plan.shown(),
                                           record_for(facts->tlsa.front().base, plan.port, probe.tls)));
        return;
    }
}

void hint_at_host(CheckReport& report, const HostCheck& host, Time at) {
    const auto& plan = *host.plan;
    hint_at_tlsa(report, host);
    if (plan.address == dane::Seen::insecure && plan.mx != dane::Seen::insecure && !plan.name.empty())
        report.hints.push_back(plan.shown() + ": its address is not signed: DANE is not possible");
    const auto idle = std::ranges::count_if(plan.rrset, [](const auto& r) { return !dane::usable(r); });
    if (idle > 0 && !plan.tlsa_unusable)
        report.hints.push_back(
            fmt::format("{}: {} of its TLSA records can't be used for SMTP: remove them", plan.shown(), idle));
    Lines lines;
    for (const auto& probe : host.probes) {
        const auto* leaf = leaf_of(probe.tls);
        const bool dates_count =
            probe.level == Level::dane_ta || probe.level == Level::pkix || probe.level == Level::mta_sts;
        if (probe.ok && dates_count && leaf != nullptr && leaf->not_after - at < renew_within)
            lines.add("the certificate ends on " + day(leaf->not_after) + ": renew it", probe.endpoint.address.text());
        if (probe.tls && probe.tls->web_pki.value_or(Reason::none) != Reason::none)
            lines.add(fmt::format("its MTA-STS policy is in testing mode; enforced, it would fail ({})",
                                  word(*probe.tls->web_pki)),
                      probe.endpoint.address.text());
    }
    lines.give(host, report.hints);
}

} // namespace

void advise(CheckReport& report, Time at) {
    advise_domain(report);
    for (const auto& host : report.hosts) advise_host(report, host);
    const auto& plan = report.route.plan;
    const auto policy = report.route.destination.rules.policy;
    if (policy != TlsPolicy::dane && policy != TlsPolicy::dane_only) return;
    if (plan.mx == dane::Seen::insecure)
        report.hints.push_back(plan.next_hop.name.text() +
                               ": the zone is not signed: an attacker who forges its MX records chooses the host");
    for (const auto& host : report.hosts) hint_at_host(report, host, at);
}

} // namespace danelaw::delivery
