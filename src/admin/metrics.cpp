// The state of the daemon in Prometheus's text exposition format; each metric's help stands beside it.
#include "danelaw/admin/views.hpp"

#include "danelaw/base/text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace danelaw::admin {
namespace {

std::string label_text(std::string_view s) {
    std::string out;
    for (const char c : printable(s, 200)) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

// A word of the contract; whatever else came by is "other", so that labels stay few.
template <class E> std::string known(const std::string& text, std::optional<E> (*from)(std::string_view)) {
    if (text.empty()) return "none";
    return from(text) ? text : "other";
}

class Page {
  public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        out += "# HELP " + name_ + " " + std::string(help) + "\n# TYPE " + name_ + " " + std::string(type) + "\n";
    }
    void sample(double value, std::string_view labels = "", std::string_view suffix = "") {
        char digits[32];
        std::snprintf(digits, sizeof digits, "%.10g", value);
        out += name_ + std::string(suffix);
        if (!labels.empty()) out += "{" + std::string(labels) + "}";
        out += std::string(" ") + digits + "\n";
    }
    void sample(std::uint64_t value, std::string_view labels = "", std::string_view suffix = "") {
        out += name_ + std::string(suffix);
        if (!labels.empty()) out += "{" + std::string(labels) + "}";
        out += " " + std::to_string(value) + "\n";
    }
    void one(std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
        family(name, type, help);
        sample(value);
    }
    void tally(std::string_view name, std::string_view help, std::string_view label, const Tally& values) {
        family(name, "counter", help);
        for (const auto& [word, n] : values) {
            sample(n, std::string(label) + "=\"" + (word.empty() ? "none" : label_text(word)) + "\"");
        }
    }
    // Bounds are in `unit`s of what is shown; counts has one place more than bounds, for what is larger.
    template <class Bounds, class Counts>
    void histogram(std::string_view name, std::string_view help, const Bounds& bounds, const Counts& counts,
                   double unit, double sum) {
        family(name, "histogram", help);
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            below += counts[i];
            sample(below, fmt::format("le=\"{}\"", static_cast<double>(bounds[i]) / unit), "_bucket");
        }
        below += counts[bounds.size()];
        sample(below, "le=\"+Inf\"", "_bucket");
        sample(sum / unit, "", "_sum");
        sample(below, "", "_count");
    }
    std::string out;

  private:
    std::string name_;
};

void queue_metrics(Page& p, const StatusFacts& f) {
    p.one("danelaw_queue_messages", "gauge", "Messages in the queue.", f.queue.messages);
    p.family("danelaw_queue_waiting", "gauge", "Open recipients in the queue, by why they wait.");
    Tally waiting;
    for (const store::ReasonCount& r : f.reasons) waiting[known<Reason>(r.reason, reason_from)] += r.recipients;
    for (const auto& [reason, n] : waiting) p.sample(n, "reason=\"" + reason + "\"");
    p.family("danelaw_queue_recipients", "gauge", "Open recipients in the queue, by state.");
    p.sample(f.queue.active, "state=\"active\"");
    p.sample(f.queue.deferred, "state=\"deferred\"");
    p.sample(f.queue.held, "state=\"held\"");
    p.one("danelaw_queue_destinations", "gauge", "Destinations with mail in the queue.", f.queue.destinations);
    const auto age = f.queue.oldest ? std::chrono::duration<double>(f.now - *f.queue.oldest).count() : 0.0;
    p.family("danelaw_queue_oldest_age_seconds", "gauge", "Age of the oldest message in the queue.");
    p.sample(age);
}

void mail_metrics(Page& p, const Snapshot& c) {
    p.one("danelaw_accepted_total", "counter", "Messages answered with 250.", c.accepted);
    p.one("danelaw_accepted_bytes_total", "counter", "Octets of accepted messages.", c.accepted_octets);
    p.one("danelaw_rejected_total", "counter", "Refusals given to clients.", c.rejected);
    p.tally("danelaw_delivered_total", "Recipients delivered, by TLS level.", "tls_level", c.delivered_by_level);
    p.tally("danelaw_delivered_unsecured_dane_total",
            "Deliveries under DANE behind an MX RRset that is not secure: not verified delivery.", "tls_level",
            c.delivered_unsecured);
    p.tally("danelaw_deferred_total", "Deferrals of recipients, by reason.", "reason", c.deferred_by_reason);
    p.tally("danelaw_bounced_total", "Recipients bounced or expired, by reason.", "reason", c.bounced_by_reason);
    p.tally("danelaw_attempts_total", "Attempts at hosts, by result.", "result", c.attempts_by_result);
    p.histogram("danelaw_attempt_seconds", "Duration of attempts at hosts.", attempt_bounds_ms, c.attempt_ms, 1000,
                static_cast<double>(c.attempt_ms_sum));
    p.family("danelaw_outcomes_total", "counter",
             "What became of recipients at each attempt, by result, reason and TLS level.");
    Tally outcomes;
    for (const auto& [o, n] : c.outcomes) {
        outcomes[fmt::format(R"(result="{}",reason="{}",tls_level="{}")", known<Verdict>(o.result, verdict_from),
                             known<Reason>(o.reason, reason_from), known<Level>(o.tls_level, level_from))] += n;
    }
    for (const auto& [labels, n] : outcomes) p.sample(n, labels);
    p.tally("danelaw_tls_reports_total", "TLS reports of a day and a domain, by what became of them.", "result",
            c.tls_reports);
}

void connection_metrics(Page& p, const delivery::Pool::Stats& s) {
    p.one("danelaw_connections_opened_total", "counter", "Connections to mail servers that came up.", s.opened);
    p.one("danelaw_connections_failed_total", "counter", "Connections to mail servers that did not come up.", s.failed);
    p.one("danelaw_connections_reused_total", "counter", "Times that an open connection served another message.",
          s.reused);
    p.one("danelaw_handshakes_total", "counter", "TLS handshakes with mail servers that passed what the plan demanded.",
          s.handshakes);
    p.family("danelaw_connections_open", "gauge", "Connections to mail servers now open, by state.");
    p.sample(std::uint64_t{s.open - std::min(s.idle, s.open)}, "state=\"busy\"");
    p.sample(std::uint64_t{s.idle}, "state=\"idle\"");
}

void store_metrics(Page& p, const store::Queue::Stats& s) {
    p.one("danelaw_store_operations_total", "counter", "Operations committed to stable storage.", s.operations);
    p.one("danelaw_store_failures_total", "counter", "Commits that failed.", s.failures);
    p.histogram("danelaw_store_commit_operations", "Operations that shared a commit and its fsync.", s.size_bounds,
                s.commits_of_size, 1, static_cast<double>(s.operations));
    p.histogram("danelaw_store_commit_seconds", "Duration of commits, with their fsync.", s.us_bounds, s.commits_of_us,
                1e6, static_cast<double>(s.commit_us));
    p.family("danelaw_store_last_commit_seconds", "gauge", "Duration of the last commit.");
    p.sample(static_cast<double>(s.last_commit_us) / 1e6);
}

// One sample an entry that ends: the configuration bounds them.
void policy_metrics(Page& p, const std::vector<config::PolicyEntry>& policies) {
    p.family("danelaw_policy_end_timestamp_seconds", "gauge",
             "When an entry of `policies` ends that has `until`, seconds since 1970.");
    for (std::size_t i = 0; i < policies.size(); ++i) {
        const auto& until = policies[i].until;
        if (!until) continue;
        const auto end = std::chrono::sys_days(*until) + std::chrono::days(1); // the day itself counts
        p.sample(std::chrono::duration<double>(end.time_since_epoch()).count(),
                 fmt::format(R"(entry="{}",match="{}")", i, label_text(join(policies[i].match, " "))));
    }
}

void process_metrics(Page& p) {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0, resident = 0;
    if (statm >> size >> resident) {
        p.one("process_resident_memory_bytes", "gauge", "Resident memory.",
              resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
    }
}

} // namespace

std::string metrics_text(const StatusFacts& f, const store::Queue::Stats& store) {
    Page p;
    p.family("danelaw_build_info", "gauge", "Always 1; the version is the label.");
    p.sample(std::uint64_t{1}, "version=\"" DANELAW_VERSION "\"");
    p.family("danelaw_start_time_seconds", "gauge", "When the daemon started, seconds since 1970.");
    p.sample(std::chrono::duration<double>(f.started.time_since_epoch()).count());
    p.one("danelaw_healthy", "gauge", "1 when there are no known problems.", f.problems.empty() ? 1 : 0);
    p.one("danelaw_warnings", "gauge", "Things to be looked at while mail flows, such as policies about to end.",
          f.warnings.size());
    queue_metrics(p, f);
    mail_metrics(p, f.counters);
    p.family("danelaw_dns_answers_total", "counter", "DNS lookups, by what they ended in.");
    p.sample(f.dns.secure, "status=\"secure\"");
    p.sample(f.dns.insecure, "status=\"insecure\"");
    p.sample(f.dns.bogus, "status=\"bogus\"");
    p.sample(f.dns.error, "status=\"error\"");
    p.one("danelaw_dns_in_flight", "gauge", "DNS lookups now waiting for an answer.", f.dns.in_flight);
    connection_metrics(p, f.connections);
    store_metrics(p, store);
    policy_metrics(p, f.policies);
    process_metrics(p);
    return p.out;
}

} // namespace danelaw::admin
