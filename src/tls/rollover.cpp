// How to change a host's key or certificate without a moment in which senders can't authenticate it. RFC 7671 8.1, 8.4;
// RFC 7672 4. DANE-144, DANE-145. The rule: every (usage, selector, matching) that is published has a record for the
// chain in use and, before the change and for two TTLs, one for the chain to come.
#include "danelaw/base/text.hpp"
#include "danelaw/dane/tlsa.hpp"
#include "danelaw/tls/tools.hpp"
#include "openssl_priv.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace danelaw::tls {

namespace {

using Kind = std::tuple<unsigned, unsigned, unsigned>; // usage, selector, matching

Kind kind_of(const dns::Tlsa& r) {
    return {r.usage, r.selector, r.matching};
}

std::string kind_text(const Kind& k) {
    return std::to_string(std::get<0>(k)) + " " + std::to_string(std::get<1>(k)) + " " + std::to_string(std::get<2>(k));
}

bool holds(const dns::Tlsa& r, const Subject& s) {
    if (r.selector == 0 && s.certificate.empty()) return false;
    return association(s.certificate, s.key, r.selector, r.matching) == r.data;
}

// Usage 3 is about the leaf, usage 2 about any certificate above it (DANE-080, DANE-098).
bool matches(const dns::Tlsa& r, const std::vector<Subject>& chain) {
    if (chain.empty()) return false;
    if (r.usage == 3) return holds(r, chain.front());
    return r.usage == 2 && std::any_of(chain.begin() + 1, chain.end(), [&](const Subject& s) { return holds(r, s); });
}

// The record of this kind for the planned chain; under usage 2 for the topmost certificate given, which its issuers
// share longest.
std::optional<dns::Tlsa> record_for(const Kind& kind, const std::vector<Subject>& chain) {
    const auto [usage, selector, matching] = kind;
    if (usage == 2 && chain.size() < 2) return std::nullopt;
    const Subject& subject = usage == 3 ? chain.front() : chain.back();
    if (selector == 0 && subject.certificate.empty()) return std::nullopt;
    auto data = association(subject.certificate, subject.key, selector, matching);
    if (!data) return std::nullopt;
    return dns::Tlsa{static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector),
                     static_cast<std::uint8_t>(matching), std::move(*data)};
}

std::string cannot_make(const Kind& kind) {
    return "published records are also of kind " + kind_text(kind) +
           ": one for the planned chain can only be made from its " +
           (std::get<0>(kind) == 2 ? "issuers' certificates; give the whole chain" : "certificate; give --new-cert");
}

void judge_kind(const Kind& kind, const std::vector<dns::Tlsa>& usable, const RolloverRequest& request,
                Rollover& plan) {
    bool for_next = false, for_current = false;
    for (const dns::Tlsa& r : usable) {
        if (kind_of(r) != kind) continue;
        if (matches(r, request.next)) {
            for_next = true;
            plan.matching.push_back(r);
        } else {
            plan.drop.push_back(r);
        }
        if (!matches(r, request.current)) continue;
        for_current = true;
        plan.current.push_back(r);
    }
    if (!request.current.empty() && !for_current)
        plan.warnings.push_back("no published record of kind " + kind_text(kind) +
                                " is for the chain in use now: senders that prefer it fail");
    if (for_next) return;
    if (auto record = record_for(kind, request.next))
        plan.add.push_back(std::move(*record));
    else
        plan.warnings.push_back(cannot_make(kind));
}

void warn_about_anchors(const RolloverRequest& request, Rollover& plan) {
    const auto by_anchor = [](const dns::Tlsa& r) { return r.usage == 2; };
    if (std::ranges::any_of(plan.matching, by_anchor) || std::ranges::any_of(plan.add, by_anchor))
        plan.warnings.emplace_back(
            "records of usage 2: the server must send the trust anchor's certificate in its chain");
    for (const dns::Tlsa& r : request.published)
        if (const std::string why = dane::unusable_because(r); !why.empty()) {
            plan.idle.push_back(r);
            plan.warnings.push_back("the published record " + r.text().substr(0, 24) +
                                    "... is ignored by senders: " + why);
        }
}

} // namespace

std::string_view word(Coverage c) {
    switch (c) {
    case Coverage::covered: return "covered";
    case Coverage::partly: return "partly-covered";
    case Coverage::none: return "not-covered";
    }
    return "";
}

std::string_view word(Order o) {
    return o == Order::publish_first ? "publish-first" : "install-first";
}

namespace {

// No DANE yet, or no record that counts.
void begin_dane(const RolloverRequest& request, Rollover& plan) {
    plan.add.push_back(*record_for({3, 1, 1}, request.next));
    if (request.current.empty()) {
        plan.order = Order::install_first;
        plan.warnings.emplace_back("no usable record is published, and the chain in use is not known "
                                   "(--current-cert): a record for the planned one must not be published before every "
                                   "address of the host serves it");
        return;
    }
    const dns::Tlsa present = *record_for({3, 1, 1}, request.current);
    if (present != plan.add.front()) plan.add.insert(plan.add.begin(), present);
    plan.warnings.emplace_back("no usable record is published: the first ones include the chain in use now");
}

} // namespace

Result<Rollover> plan_rollover(const RolloverRequest& request) {
    if (request.next.empty()) return fail(Errc::parse, "no planned certificate or key");
    Rollover plan;
    std::vector<dns::Tlsa> usable;
    for (const dns::Tlsa& r : request.published)
        if (dane::usable(r)) usable.push_back(r);
    std::set<Kind> kinds;
    for (const dns::Tlsa& r : usable) kinds.insert(kind_of(r));
    for (const Kind& kind : kinds) judge_kind(kind, usable, request, plan);

    const std::vector<dns::Tlsa> counting = dane::effective(request.published);
    const bool passes = std::ranges::any_of(counting, [&](const dns::Tlsa& r) { return matches(r, request.next); });
    if (kinds.empty()) begin_dane(request, plan);
    const bool everywhere = !kinds.empty() && plan.add.empty() && std::ranges::all_of(kinds, [&](const Kind& k) {
        return std::ranges::any_of(plan.matching, [&](const dns::Tlsa& r) { return kind_of(r) == k; });
    });
    plan.coverage = everywhere ? Coverage::covered : passes ? Coverage::partly : Coverage::none;
    const Seconds longest = std::max(request.ttl, request.next_ttl.value_or(request.ttl));
    const bool at_once = everywhere || plan.order == Order::install_first;
    plan.install_from = at_once ? request.now : request.now + 2 * longest;
    warn_about_anchors(request, plan);
    return plan;
}

} // namespace danelaw::tls
