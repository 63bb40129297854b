// Is the daemon as it should be? See health.hpp. DANE-010, D-27, H34, H36.
#include "health.hpp"

#include "danelaw/delivery/resolver_options.hpp"
#include "danelaw/net/wakeup.hpp"

#include <sys/statvfs.h>

#include <algorithm>

namespace danelaw::app {
namespace {

using namespace std::chrono_literals;

constexpr auto while_unproven = 60s;
constexpr auto while_proven = 10min;
constexpr std::uint64_t enough_answers = 50; // fewer say nothing about a share
constexpr auto ahead = std::chrono::days(7);

std::uint64_t all(const resolver::Resolver::Counters& c) {
    return c.secure + c.insecure + c.bogus + c.error;
}

bool wants_dane(const config::Settings& s) {
    const auto dane = [](TlsPolicy p) { return p == TlsPolicy::dane || p == TlsPolicy::dane_only; };
    return dane(s.tls.policy) ||
           std::ranges::any_of(s.policies, [&](const config::PolicyEntry& p) { return p.tls && dane(*p.tls); });
}

} // namespace

bool secure_answers_vanished(const resolver::Resolver::Counters& before, const resolver::Resolver::Counters& then,
                             const resolver::Resolver::Counters& now) {
    const bool some_were = then.secure > before.secure;
    return some_were && all(now) - all(then) >= enough_answers && now.secure == then.secure;
}

std::vector<std::string> ending_policies(const std::vector<config::PolicyEntry>& policies, Time now) {
    std::vector<std::string> out;
    const auto today = std::chrono::floor<std::chrono::days>(now);
    for (const config::PolicyEntry& p : policies) {
        if (!p.until || std::chrono::sys_days(*p.until) > today + ahead) continue;
        const std::string day = day_text(*p.until);
        const bool over = std::chrono::sys_days(*p.until) < today;
        out.push_back("the policy for " + join(p.match, ", ") + (over ? " ended on " : " ends on ") + day);
    }
    return out;
}

net::Task<void> Health::prove() {
    const auto settings = parts_.settings();
    if (!wants_dane(*settings)) {
        trust_problem_.clear();
        co_return;
    }
    resolver::Options options = delivery::resolver_options(*settings);
    const resolver::Health health = co_await resolver::prove_trust(parts_.resolver, std::move(options));
    const std::string problem = health.ok ? "" : "DNSSEC: " + health.text;
    if (problem != trust_problem_ || !said_) {
        // Without a network at start-up nothing is wrong yet: deliveries wait, they don't go out insecurely.
        const log::Level level = health.ok ? log::Level::info : log::Level::error;
        parts_.log.event(level, "dns", {{"trust", resolver::word(health.trust)}, {"text", health.text}});
    }
    said_ = true;
    trust_problem_ = problem;
}

void Health::watch_share() {
    const resolver::Resolver::Counters now = parts_.resolver.counters();
    if (last_ && all(now) - all(*last_) < enough_answers) return;
    if (earlier_ && last_) {
        const bool gone = secure_answers_vanished(*earlier_, *last_, now) || (vanished_ && now.secure == last_->secure);
        if (gone && !vanished_) {
            parts_.log.event(log::Level::error, "dns",
                             {{"text", "no answer is secure any more: is DNSSEC validation still possible?"}});
        }
        vanished_ = gone;
    }
    earlier_ = last_ ? last_ : resolver::Resolver::Counters{};
    last_ = now;
}

net::Task<void> Health::watch() {
    for (;;) {
        co_await prove();
        watch_share();
        const Time now = parts_.clock.now();
        const std::int64_t day = std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
        if (day != warned_day_) {
            warned_day_ = day;
            for (const std::string& w : ending_policies(parts_.settings()->policies, now)) {
                parts_.log.event(log::Level::warn, "policy-ends", {{"text", w}});
            }
        }
        const Millis pause = trust_problem_.empty() ? Millis(while_proven) : Millis(while_unproven);
        const auto waited = co_await net::pause_until(net::deadline_after(pause));
        if (!waited) co_return;
    }
}

std::vector<std::string> Health::problems() const {
    std::vector<std::string> out;
    const auto settings = parts_.settings();
    if (!said_ && wants_dane(*settings)) out.emplace_back("DNSSEC: the trust anchors are not proven yet");
    if (!trust_problem_.empty()) out.push_back(trust_problem_);
    if (vanished_) out.emplace_back("DNSSEC: no answer is secure any more");
    const auto stats = parts_.queue.stats();
    if (stats.failed) out.emplace_back("queue: the last commit failed");
    if (!stats.trouble.empty()) out.push_back("queue: " + stats.trouble);
    struct statvfs disk{};
    if (settings->queue.store == config::StoreKind::sqlite && ::statvfs(settings->queue.path.c_str(), &disk) == 0) {
        const Bytes room = static_cast<Bytes>(disk.f_bavail) * disk.f_frsize;
        if (room < settings->limits.min_free_disk) {
            out.push_back("disk: " + std::to_string(room >> 20) +
                          " MiB are free, less than limits.min_free_disk; mail is refused");
        }
    }
    return out;
}

std::vector<std::string> Health::warnings() const {
    std::vector<std::string> out = ending_policies(parts_.settings()->policies, parts_.clock.now());
    for (const std::string& damaged : parts_.queue.damaged()) out.push_back("queue: set aside as damaged: " + damaged);
    return out;
}

} // namespace danelaw::app
