// The state of the daemon in Prometheus's text exposition format; each metric's help stands beside it.
#include "danelaw/admin/views.hpp"

#include "danelaw/base/text.hpp"

#include <unistd.h>

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
    std::string out;

  private:
    std::string name_;
};

void queue_metrics(Page& p, const StatusFacts& f) {
    p.one("danelaw_queue_messages", "gauge", "Messages in the queue.", f.queue.messages);
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
            c.attempts_unsecured);
    p.tally("danelaw_deferred_total", "Deferrals of recipients, by reason.", "reason", c.deferred_by_reason);
    p.tally("danelaw_bounced_total", "Recipients bounced or expired, by reason.", "reason", c.bounced_by_reason);
    p.tally("danelaw_attempts_total", "Attempts at hosts, by result.", "result", c.attempts_by_result);
    p.family("danelaw_attempt_seconds", "histogram", "Duration of attempts at hosts.");
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < attempt_bounds_ms.size(); ++i) {
        below += c.attempt_ms[i];
        char bound[32];
        std::snprintf(bound, sizeof bound, "le=\"%g\"", static_cast<double>(attempt_bounds_ms[i]) / 1000);
        p.sample(below, bound, "_bucket");
    }
    p.sample(c.attempt_count, "le=\"+Inf\"", "_bucket");
    p.sample(static_cast<double>(c.attempt_ms_sum) / 1000, "", "_sum");
    p.sample(c.attempt_count, "", "_count");
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
    p.one("danelaw_store_commits_total", "counter", "Batches committed to stable storage.", store.commits);
    p.one("danelaw_store_operations_total", "counter", "Operations in those batches.", store.operations);
    p.one("danelaw_store_failures_total", "counter", "Commits that failed.", store.failures);
    p.family("danelaw_store_last_commit_seconds", "gauge", "Duration of the last commit.");
    p.sample(static_cast<double>(store.last_commit_us) / 1e6);
    process_metrics(p);
    return p.out;
}

} // namespace danelaw::admin
