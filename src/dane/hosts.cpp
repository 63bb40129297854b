// Which hosts stand for a next hop: MX or implicit MX, null MX, ourselves in the list. RFC 5321 5.1, RFC 7505.
#include "facts_priv.hpp"

#include "danelaw/base/limits.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace danelaw::dane {

Halt halt(Verdict verdict, Reason reason, std::string text, std::string_view detail) {
    if (detail.empty()) detail = status_detail(reason);
    std::string enhanced(verdict == Verdict::bounced ? "5." : "4.");
    enhanced += detail;
    return {verdict, reason, std::move(text), std::move(enhanced)};
}

namespace {

// What is wrong with a relay that the operator configured is his to mend: the mail waits (SC-092).
Halt final_unless_configured(const NextHop& hop, Reason reason, std::string text) {
    if (hop.configured) return halt(Verdict::deferred, reason, "configured next hop: " + text, "3.5");
    return halt(Verdict::bounced, reason, std::move(text));
}

std::string said(const std::string& why) {
    return why.empty() ? "" : ": " + why;
}

std::optional<Halt> failed_or_denied(const NextHop& hop, const dns::Answer<dns::Mx>& mx) {
    const std::string& domain = hop.name.text();
    if (mx.status == dns::Status::bogus) // row 1, DANE-020
        return halt(Verdict::deferred, Reason::dnssec_invalid, "MX of " + domain + " failed validation" + said(mx.why));
    if (mx.status == dns::Status::error) // row 2
        return halt(Verdict::deferred, Reason::dns_error, "MX lookup of " + domain + " failed" + said(mx.why));
    if (mx.absent() && mx.absence == dns::Absence::nxdomain) // row 3, SC-002
        return final_unless_configured(hop, Reason::domain_not_found, "domain " + domain + " does not exist");
    const bool all_null = !mx.records.empty() &&
                          std::ranges::all_of(mx.records, [](const auto& r) { return r.valid && r.exchange.empty(); });
    if (all_null) // row 4, SC-004, D-12: whatever the preference says
        return final_unless_configured(hop, Reason::no_mail_service, "domain " + domain + " accepts no mail (null MX)");
    return std::nullopt;
}

// Sorted by preference, each name once, at its best.
Sifted real_hosts(const dns::Answer<dns::Mx>& mx) {
    Sifted out;
    std::map<dns::Name, std::uint16_t> best;
    for (const auto& record : mx.records) {
        const std::string at = " at preference " + std::to_string(record.preference);
        if (record.valid && record.exchange.empty()) { // D-12: a broken record, the others stand
            out.notes.push_back("ignored the null MX beside others" + at);
        } else if (!record.valid || !record.exchange.is_host()) { // DANE-031
            out.notes.push_back("ignored MX target that is no host name" + at + ": " + record.exchange.text());
        } else {
            const auto [it, fresh] = best.emplace(record.exchange, record.preference);
            if (!fresh) it->second = std::min(it->second, record.preference);
        }
    }
    for (const auto& [name, preference] : best) out.hosts.push_back({name, preference});
    std::ranges::sort(out.hosts, {}, [](const MxHost& h) { return std::pair(h.preference, h.name); });
    return out;
}

// SC-007: ourselves by name, and everything at our preference or worse, are not for us to try.
void drop_ourselves(Sifted& out, const Ourselves& self) {
    const auto ours = std::ranges::find_if(
        out.hosts, [&](const MxHost& h) { return std::ranges::find(self.names, h.name) != self.names.end(); });
    if (ours == out.hosts.end()) return;
    const auto preference = ours->preference;
    out.cut = true;
    out.notes.push_back("we are an MX ourselves (" + ours->name.text() + "): dropped preference " +
                        std::to_string(preference) + " and worse");
    std::erase_if(out.hosts, [&](const MxHost& h) { return h.preference >= preference; });
}

} // namespace

std::variant<Sifted, Halt> sift(const NextHop& hop, const dns::Answer<dns::Mx>* mx, const Ourselves& self) {
    if (hop.kind == NextHop::Kind::literal) return Sifted{};
    if (hop.kind == NextHop::Kind::host) return Sifted{{{hop.name, 0}}, {}, false};
    const dns::Answer<dns::Mx> unanswered;
    const auto& answer = mx ? *mx : unanswered;
    if (auto stop = failed_or_denied(hop, answer)) return *stop;
    // RFC 5321 5.1: no MX, so the domain is its own host. Our own name here is found by address: a host may have our
    // name's domain and another port, or another server on port 25.
    if (answer.records.empty()) return Sifted{{{hop.name, 0}}, {}, false};

    Sifted out = real_hosts(answer);
    if (out.hosts.empty()) // SC-003: and never the domain's own address
        return final_unless_configured(hop, Reason::no_usable_host, "no MX of " + hop.name.text() + " names a host");
    drop_ourselves(out, self);
    if (out.hosts.empty())
        return final_unless_configured(hop, Reason::mail_loop, "mail for " + hop.name.text() + " loops back to us");
    return out;
}

std::variant<MxChoice, Halt> choose_hosts(const NextHop& hop, const dns::Answer<dns::Mx>* mx, const Ourselves& self,
                                          Rng& rng) {
    auto sifted = sift(hop, mx, self);
    if (auto* stop = std::get_if<Halt>(&sifted)) return std::move(*stop);
    auto& [hosts, notes, cut] = std::get<Sifted>(sifted);
    for (std::size_t from = 0; from < hosts.size();) { // SC-005: equals in random order, drawn anew each time
        std::size_t to = from;
        while (to < hosts.size() && hosts[to].preference == hosts[from].preference) ++to;
        for (std::size_t last = to - 1; last > from; --last)
            std::swap(hosts[last], hosts[from + rng.below(last - from + 1)]);
        from = to;
    }
    if (hosts.size() > limits::hosts) { // DANE-055
        notes.push_back("used the best " + std::to_string(limits::hosts) + " of " + std::to_string(hosts.size()) +
                        " MX hosts");
        hosts.resize(limits::hosts);
    }
    return MxChoice{std::move(hosts), std::move(notes)};
}

bool is_ours(const Endpoint& to, const Ourselves& self) {
    return std::ranges::any_of(self.endpoints, [&](const Endpoint& own) {
        if (own.port != to.port) return false;
        if (own.address == to.address) return true;
        if (!own.address.is_unspecified()) return false;
        // A socket bound to :: takes IPv4 too, unless told not to: count it as ours (a loop is worse than a skip).
        const bool family = own.address.v6 || !to.address.v6;
        return family && (to.address.is_loopback() || std::ranges::find(self.local, to.address) != self.local.end());
    });
}

} // namespace danelaw::dane
