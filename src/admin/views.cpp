// JSON forms of queue and status. See views.hpp.
#include "danelaw/admin/views.hpp"

#include "danelaw/message/dsn.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>

namespace danelaw::admin {
namespace {

namespace json = boost::json;
using message::RecipientState;

json::value or_null(std::string_view s) {
    return s.empty() ? json::value(nullptr) : json::value(s);
}

json::value last_view(const std::optional<message::Outcome>& last) {
    if (!last) return nullptr;
    return json::object{{"result", word(last->verdict)},
                        {"reason", or_null(word(last->reason))},
                        {"host", or_null(last->host)},
                        {"tls_level", word(last->tls_level)},
                        {"code", last->code == 0 ? json::value(nullptr) : json::value(last->code)},
                        {"enhanced", or_null(last->enhanced)},
                        {"text", last->text}};
}

// The contract's four words; a recipient that an operator deleted is shown as that.
std::string_view state_word(RecipientState s) {
    switch (s) {
    case RecipientState::queued: return "queued";
    case RecipientState::delivered: return "delivered";
    case RecipientState::bounced:
    case RecipientState::expired: return "bounced";
    case RecipientState::held: return "held";
    case RecipientState::deleted: return "deleted";
    }
    return "";
}

json::object recipient_view(const message::Recipient& r) {
    json::object o{{"address", r.address},
                   {"state", state_word(r.state)},
                   {"attempts", r.attempts},
                   {"next_attempt", r.state == RecipientState::queued ? json::value(rfc3339(r.next_attempt)) : nullptr},
                   {"last", last_view(r.last)}};
    if (!r.relay.empty()) o["relay"] = r.relay;
    return o;
}

std::string_view body_word(message::Body b) {
    switch (b) {
    case message::Body::seven_bit: return "7BIT";
    case message::Body::eight_bit_mime: return "8BITMIME";
    case message::Body::binary_mime: return "BINARYMIME";
    }
    return "";
}

// Only what the entry sets; the rest is null and comes from tls:.
json::object policy_view(const config::PolicyEntry& p, Time now) {
    json::array match;
    for (const std::string& m : p.match) match.emplace_back(m);
    const auto today = std::chrono::floor<std::chrono::days>(now);
    const bool ended = p.until && std::chrono::sys_days(*p.until) < today;
    json::object o{{"match", std::move(match)},
                   {"tls", p.tls ? json::value(word(*p.tls)) : nullptr},
                   {"insecure_mx", p.insecure_mx ? json::value(dane::word(*p.insecure_mx)) : nullptr},
                   {"on_failure", p.on_failure ? json::value(dane::word(*p.on_failure)) : nullptr},
                   {"min_protocol", p.min_protocol ? json::value(*p.min_protocol) : nullptr},
                   {"mta_sts", p.mta_sts ? json::value(*p.mta_sts) : nullptr},
                   {"next_hop", or_null(p.next_hop)},
                   {"hold", p.hold},
                   {"note", or_null(p.note)},
                   {"until", p.until ? json::value(day_text(*p.until)) : nullptr},
                   {"ended", ended}};
    return o;
}

json::object tally_view(const Tally& tally) {
    json::object o;
    for (const auto& [key, n] : tally) o[key.empty() ? "none" : key] = n;
    return o;
}

bool waits(const message::Recipient& r) {
    return r.state == RecipientState::queued || r.state == RecipientState::held;
}

json::object message_with(const store::Message& m, json::array recipients) {
    return {{"id", m.envelope.id},
            {"sender", m.envelope.reverse_path},
            {"size", m.envelope.content.size},
            {"received_at", rfc3339(m.envelope.received_at)},
            {"state", state_of(m)},
            {"recipients", std::move(recipients)}};
}

} // namespace

std::string_view state_of(const store::Message& m) {
    bool queued = false, untried = false;
    for (const message::Recipient& r : m.recipients) {
        if (r.state != RecipientState::queued) continue;
        queued = true;
        untried = untried || r.attempts == 0;
    }
    const bool held = std::ranges::any_of(m.recipients, [](const auto& r) { return r.state == RecipientState::held; });
    return queued ? (untried ? "active" : "deferred") : held ? "held" : "active";
}

json::object message_view(const store::Message& m) {
    json::array recipients;
    for (const message::Recipient& r : m.recipients) recipients.push_back(recipient_view(r));
    return message_with(m, std::move(recipients));
}

json::object brief_view(const store::Message& m, std::size_t most) {
    json::array recipients;
    for (const bool waiting : {true, false})
        for (const message::Recipient& r : m.recipients)
            if (waits(r) == waiting && recipients.size() < most) recipients.push_back(recipient_view(r));
    json::object o = message_with(m, std::move(recipients));
    o["recipient_count"] = m.recipients.size();
    return o;
}

json::object detail_view(const store::Message& m) {
    const message::Envelope& e = m.envelope;
    json::object o = message_view(m);
    o["client"] = json::object{{"address", e.client.address ? json::value(e.client.address->text()) : nullptr},
                               {"helo", e.client.helo},
                               {"user", or_null(e.client.user)},
                               {"protocol", e.client.protocol},
                               {"tls", or_null(e.client.tls)}};
    o["origin"] = e.origin == message::Origin::client            ? "client"
                  : e.origin == message::Origin::delivery_report ? "delivery-report"
                                                                 : "tls-report";
    o["body"] = body_word(e.body);
    o["smtputf8"] = e.smtputf8;
    o["requiretls"] = e.requiretls;
    o["tls_required_no"] = e.content.tls_required_no;
    o["envid"] = or_null(e.envid);
    o["header_size"] = e.content.header_size;
    return o;
}

json::object trace_view(const store::Trace& t) {
    json::object o = detail_view(t.message);
    o["in_queue"] = t.in_queue;
    if (!t.in_queue) o["state"] = "done";
    json::array attempts;
    for (const std::string& text : t.attempts) {
        boost::system::error_code wrong;
        json::value v = json::parse(text, wrong);
        attempts.push_back(wrong ? json::value(text) : std::move(v));
    }
    o["attempts"] = std::move(attempts);
    return o;
}

json::object destination_view(const store::DomainCount& d) {
    return {{"domain", d.domain},
            {"recipients", d.recipients},
            {"reason", or_null(d.reason)},
            {"oldest_at", rfc3339(d.oldest)}};
}

json::object failure_view(const Failure& f) {
    const Reason reason = reason_from(f.reason).value_or(Reason::none);
    return {{"ts", rfc3339(f.at)},
            {"id", f.id},
            {"recipient", f.recipient},
            {"result", f.result},
            {"reason", or_null(f.reason)},
            {"host", or_null(f.host)},
            {"text", f.text},
            {"meaning", message::explain(reason)},
            {"remedy", message::remedy(reason)}};
}

json::object history_view(const Ring::Series& series) {
    json::array accepted, deferred, bounced;
    std::array<json::array, chart_levels.size()> delivered;
    for (const Slot& s : series.slots) {
        accepted.push_back(s.accepted);
        deferred.push_back(s.deferred);
        bounced.push_back(s.bounced);
        for (std::size_t i = 0; i < delivered.size(); ++i) delivered[i].push_back(s.delivered[i]);
    }
    json::object by_level;
    for (std::size_t i = 0; i < delivered.size(); ++i) by_level[word(chart_levels[i])] = std::move(delivered[i]);
    return {{"step_s", series.step.count()},   {"first_at", rfc3339(series.first)}, {"accepted", std::move(accepted)},
            {"deferred", std::move(deferred)}, {"bounced", std::move(bounced)},     {"delivered", std::move(by_level)}};
}

json::object policies_view(const config::Settings& s, Time now) {
    json::array all;
    for (const config::PolicyEntry& p : s.policies) all.push_back(policy_view(p, now));
    return {{"tls",
             {{"policy", word(s.tls.policy)},
              {"insecure_mx", dane::word(s.tls.insecure_mx)},
              {"on_failure", dane::word(s.tls.on_failure)},
              {"min_protocol", s.tls.min_protocol},
              {"mta_sts", s.tls.mta_sts}}},
            {"policies", std::move(all)}};
}

json::object status_view(const StatusFacts& f) {
    const auto age = f.queue.oldest ? std::chrono::duration_cast<Seconds>(f.now - *f.queue.oldest).count() : 0;
    json::array problems, warnings, destinations, failures, reasons;
    for (const store::ReasonCount& r : f.reasons) {
        reasons.push_back(json::object{
            {"reason", or_null(r.reason)}, {"destinations", r.destinations}, {"recipients", r.recipients}});
    }
    for (const std::string& p : f.problems) problems.emplace_back(p);
    for (const std::string& w : f.warnings) warnings.emplace_back(w);
    for (const store::DomainCount& d : f.destinations) {
        destinations.push_back(destination_view(d));
    }
    for (const Failure& x : f.counters.failures) {
        failures.push_back(failure_view(x));
    }
    const Snapshot& c = f.counters;
    json::array relays;
    for (const store::RelayShare& r : f.relays)
        relays.push_back(json::object{{"name", r.name}, {"seen_at", rfc3339(r.seen)}, {"recipients", r.holds}});
    return {
        {"version", DANELAW_VERSION},
        {"uptime_s", std::chrono::duration_cast<Seconds>(f.now - f.started).count()},
        {"queue",
         {{"messages", f.queue.messages},
          {"recipients", f.queue.recipients},
          {"active", f.queue.active},
          {"deferred", f.queue.deferred},
          {"held", f.queue.held},
          {"oldest_age_s", age},
          {"destinations", f.queue.destinations}}},
        {"accepted", {{"total", c.accepted}, {"rejected", c.rejected}}},
        {"delivered",
         {{"total", c.delivered},
          {"per_minute", c.delivered_last_minute},
          {"by_tls_level", tally_view(c.delivered_by_level)}}},
        {"bounced", {{"total", c.bounced + c.expired}, {"reasons", tally_view(c.bounced_by_reason)}}},
        {"deferred_reasons", tally_view(c.deferred_by_reason)},
        {"unsecured_dane", tally_view(c.delivered_unsecured)},
        {"dns",
         {{"secure", f.dns.secure}, {"insecure", f.dns.insecure}, {"bogus", f.dns.bogus}, {"error", f.dns.error}}},
        {"connections",
         {{"open", f.connections.open},
          {"idle", f.connections.idle},
          {"opened", f.connections.opened},
          {"reused", f.connections.reused},
          {"handshakes", f.connections.handshakes},
          {"failed", f.connections.failed}}},
        {"destinations", std::move(destinations)},
        {"reasons", std::move(reasons)},
        {"failures", std::move(failures)},
        {"relays", std::move(relays)},
        {"health", {{"ok", f.problems.empty()}, {"problems", std::move(problems)}, {"warnings", std::move(warnings)}}}};
}

} // namespace danelaw::admin
