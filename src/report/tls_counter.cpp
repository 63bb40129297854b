// From sessions in memory to counters in the store, for those destinations only that want reports.
#include "danelaw/report/tls_counter.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/dns/name.hpp"
#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/tlsrpt/record.hpp"
#include "danelaw/tlsrpt/tally.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace danelaw::report {

template <class T> using Task = boost::asio::awaitable<T>;

namespace {

constexpr Millis gather = std::chrono::seconds(1); // so long sessions are gathered into one write
constexpr Millis after_failure = std::chrono::seconds(10);
constexpr Seconds least_ttl{60}, most_ttl{3600};
constexpr std::size_t lookups = 50;          // at a time
constexpr std::size_t written_at_once = 200; // destinations
constexpr std::size_t most_known = 20000;

} // namespace

struct TlsCounter::Impl {
    Impl(boost::asio::any_io_executor e, store::Queue& q, resolver::Resolver& r, log::Log& l, const Clock& c)
        : executor(e), queue(q), resolver(r), log(l), clock(c), complain([&l](const auto& task, const auto& what) {
              l.event(log::Level::error, "bug", {{"task", task}, {"text", what}});
          }),
          wakeup(e), tasks(e, complain) {}

    // One destination on one day.
    struct Waiting {
        std::map<std::string, std::int64_t> counts; // by group key
        tlsrpt::Policies policies;
    };
    using Place = std::pair<std::string, std::string>; // day, domain

    struct Known {
        enum class Reports { asking, wanted, unwanted, unclear };
        Reports reports = Reports::asking;
        std::string record; // when wanted
        Time until{};
    };

    void add(const tlsrpt::Session& session) {
        if (!dns::Name::from(session.next_hop)) return; // an address literal has no record
        const auto day = tlsrpt::day_of(clock.now());
        auto group = tlsrpt::group_of(session, day);
        auto key = group.key();
        const std::lock_guard lock(mutex);
        auto& seen = groups[{day, session.next_hop}];
        if (!seen.contains(key)) { // TR-048: a peer that never says the same twice fills no disk
            if (seen.size() >= limits::report_groups) {
                group = tlsrpt::coarse(std::move(group));
                key = group.key();
            }
            seen.insert(key);
        }
        auto& waiting = pending[{day, session.next_hop}];
        ++waiting.counts[std::move(key)];
        if (!waiting.policies.contains(group.digest)) waiting.policies[group.digest] = tlsrpt::policy_text(session);
        wakeup.notify();
    }

    std::vector<Place> places() {
        const std::lock_guard lock(mutex);
        std::vector<Place> out;
        for (const auto& [place, waiting] : pending) out.push_back(place);
        return out;
    }

    Waiting take(const Place& place) {
        const std::lock_guard lock(mutex);
        const auto found = pending.find(place);
        if (found == pending.end()) return {};
        auto out = std::move(found->second);
        pending.erase(found);
        return out;
    }

    void give_back(const Place& place, Waiting waiting) {
        const std::lock_guard lock(mutex);
        auto& now = pending[place];
        for (const auto& [key, n] : waiting.counts) now.counts[key] += n;
        now.policies.merge(waiting.policies);
    }

    // TR-003: asked while delivering, kept by TTL. Who asks for what is being asked shares the answer.
    Task<void> ask(std::string domain) {
        co_await learn(std::move(domain));
        --asking;
        wakeup.notify();
    }

    Task<void> learn(std::string domain) {
        const auto owner = tlsrpt::record_owner(domain);
        dns::Answer<std::string> answer;
        if (owner) answer = co_await resolver.txt(*owner);
        Known out;
        out.until = clock.now() + std::clamp(answer.ttl, least_ttl, most_ttl);
        const auto record = answer.answered() ? tlsrpt::find_record(answer.records) : std::nullopt;
        // A lookup that failed is no "no": the one at report time decides.
        out.reports = answer.failed() ? Known::Reports::unclear
                      : record        ? Known::Reports::wanted
                                      : Known::Reports::unwanted;
        if (record) out.record = *record;
        known[domain] = std::move(out);
    }

    Task<void> learn_all() {
        for (const auto& place : places())
            if (look(place.second) == Known::Reports::asking) co_await learn(place.second);
    }

    std::optional<Known::Reports> known_of(const std::string& domain) const {
        const auto found = known.find(domain);
        if (found == known.end()) return std::nullopt;
        const auto& entry = found->second;
        if (entry.reports != Known::Reports::asking && entry.until <= clock.now()) return std::nullopt;
        return entry.reports;
    }

    // What is known, asking where nothing is.
    Known::Reports look(const std::string& domain) {
        if (const auto reports = known_of(domain)) return *reports;
        if (asking >= lookups) return Known::Reports::asking;
        if (known.size() > most_known)
            std::erase_if(known, [](const auto& e) { return e.second.reports != Known::Reports::asking; });
        ++asking;
        known[domain] = Known{};
        tasks.spawn("tlsrpt lookup", ask(domain));
        return Known::Reports::asking;
    }

    // Index, then policies, then counters: a counter in the store always finds what it refers to.
    Task<Result<void>> keep(const Place& place, const Waiting& waiting) {
        const auto prefix = place.first + ' ' + place.second;
        const auto& entry = known[place.second];
        const auto record = entry.reports == Known::Reports::wanted ? entry.record : std::string("?");
        auto& kept = written[place];
        if (kept.record != record && (record != "?" || kept.record.empty())) {
            auto done = co_await queue.put(tables::domains, prefix, record);
            if (!done) co_return fail(done.error());
            written[place].record = record;
        }
        for (const auto& [digest, text] : waiting.policies) {
            if (written[place].digests.contains(digest)) continue;
            auto done = co_await queue.put(tables::policies, prefix + ' ' + digest, text);
            if (!done) co_return fail(done.error());
            written[place].digests.insert(digest);
        }
        std::vector<std::pair<std::string, std::int64_t>> counts(waiting.counts.begin(), waiting.counts.end());
        co_return co_await queue.add_counts(tables::counts, std::move(counts));
    }

    // One of those that are written at once.
    struct Writing {
        Place place;
        Waiting waiting;
        std::string problem;
    };
    Task<void> write_one(Writing& one) {
        auto done = co_await keep(one.place, one.waiting);
        if (!done) one.problem = done.error().detail;
    }

    // Side by side, so that they share the store's commits: in turn each would pay for its own.
    Task<bool> write_all(std::vector<Writing> places) { // false: the store refuses
        net::TaskGroup group(executor, complain);
        for (auto& one : places) group.spawn("tls counters", write_one(one));
        co_await group.join();
        std::size_t failed = 0;
        for (auto& one : places) {
            if (one.problem.empty()) continue;
            if (failed++ == 0)
                log.event(log::Level::warn, "tls-report",
                          {{"domain", one.place.second}, {"text", "sessions not counted yet: " + one.problem}});
            give_back(one.place, std::move(one.waiting));
        }
        co_return failed == 0;
    }

    enum class Unknown { ask, keep };
    Task<bool> write(Unknown unknown) { // false: the store refuses
        std::vector<Writing> next;
        for (const auto& place : places()) {
            const auto reports =
                unknown == Unknown::ask ? look(place.second) : known_of(place.second).value_or(Known::Reports::unclear);
            if (reports == Known::Reports::asking && unknown == Unknown::ask) continue;
            auto waiting = take(place);
            if (waiting.counts.empty() || reports == Known::Reports::unwanted) continue; // TR-004
            next.push_back({place, std::move(waiting), {}});
            if (next.size() < written_at_once) continue;
            if (!co_await write_all(std::exchange(next, {}))) co_return false;
        }
        if (!next.empty() && !co_await write_all(std::move(next))) co_return false;
        forget_old_days();
        co_return true;
    }

    void forget_old_days() {
        const auto yesterday = tlsrpt::day_of(clock.now() - std::chrono::hours(24));
        const auto old = [&](const auto& entry) { return entry.first.first < yesterday; };
        std::erase_if(written, old);
        const std::lock_guard lock(mutex);
        std::erase_if(groups, old);
    }

    struct Written {
        std::string record;
        std::set<std::string> digests;
    };

    boost::asio::any_io_executor executor;
    store::Queue& queue;
    resolver::Resolver& resolver;
    log::Log& log;
    const Clock& clock;
    net::TaskGroup::OnException complain;

    std::mutex mutex; // of the two that follow
    std::map<Place, Waiting> pending;
    std::map<Place, std::set<std::string>> groups;

    std::map<std::string, Known> known;
    std::map<Place, Written> written;
    std::size_t asking = 0;
    bool stopping = false;
    net::Wakeup wakeup;
    net::TaskGroup tasks;
};

TlsCounter::TlsCounter(boost::asio::any_io_executor executor, store::Queue& queue, resolver::Resolver& resolver,
                       log::Log& log, const Clock& clock)
    : impl_(std::make_unique<Impl>(executor, queue, resolver, log, clock)) {}
TlsCounter::~TlsCounter() = default;

void TlsCounter::count(const tlsrpt::Session& session) {
    impl_->add(session);
}

Task<void> TlsCounter::flush() {
    co_await impl_->learn_all();
    co_await save();
}

Task<void> TlsCounter::save() {
    (void)co_await impl_->write(Impl::Unknown::keep);
}

Task<void> TlsCounter::run() {
    auto& im = *impl_;
    while (!im.stopping) {
        if (co_await im.wakeup.wait() == net::Wakeup::Woken::cancelled) break;
        if (!im.stopping) (void)co_await net::pause_until(net::deadline_after(gather));
        while (!im.stopping && !co_await im.write(Impl::Unknown::ask)) {
            if (co_await im.wakeup.wait(net::deadline_after(after_failure)) == net::Wakeup::Woken::cancelled) break;
        }
    }
    im.tasks.cancel_all();
    co_await im.tasks.join();
}

void TlsCounter::stop() {
    impl_->stopping = true;
    impl_->wakeup.notify();
}

} // namespace danelaw::report
