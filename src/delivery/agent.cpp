// The scheduler's coroutine: claim what is due, start what may start, wait for either.
#include "danelaw/delivery/agent.hpp"

#include "agent_state.hpp"
#include "delivery.hpp"

#include "danelaw/tlsrpt/progress.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace danelaw::delivery {
namespace {

// Jobs in memory, all lanes together; the rest waits in the store (design: a bounded window).
constexpr std::size_t most_waiting = 20000;
constexpr std::size_t window = 500;
constexpr Millis look_again = std::chrono::milliseconds(200); // while due work waits for a full lane to drain
constexpr Millis longest_wait = std::chrono::seconds(10);     // so that a jump of the clock is noticed (DQ-012)

// The bound counts for a destination, however many relays work on one queue; each has at least one connection.
std::uint32_t per_destination(const config::Settings& settings, std::size_t sharing) {
    const auto relays = static_cast<std::uint32_t>(std::clamp<std::size_t>(sharing, 1, 1000));
    return (settings.delivery.connections_per_destination + relays - 1) / relays;
}

schedule::LaneRules lane_rules(const config::Settings& settings, std::size_t sharing) {
    schedule::LaneRules out;
    out.total = settings.delivery.connections;
    out.per_lane = per_destination(settings, sharing);
    out.first_width = std::min<std::uint32_t>(out.per_lane, 5);
    out.window = window;
    out.retry = settings.queue.retry;
    return out;
}

PoolRules pool_rules(const config::Settings& settings, std::size_t sharing) {
    PoolRules out;
    out.total = settings.delivery.connections;
    out.per_endpoint = per_destination(settings, sharing);
    out.messages_per_connection = settings.delivery.messages_per_connection;
    out.idle_reuse = settings.delivery.idle_reuse;
    // Never longer than the shortest retry: a retry asked for is a host dialled.
    out.dead_for =
        std::min<Millis>(out.dead_for, settings.queue.retry.empty() ? Millis{0} : settings.queue.retry[0] / 2);
    return out;
}

} // namespace

Agent::State::State(Parts p)
    : parts(std::move(p)), guarded(parts.clock.now(), uptime()), lanes(lane_rules(*parts.settings(), 1)),
      pool(parts.executor, parts.tls, pool_rules(*parts.settings(), 1)), wakeup(parts.executor),
      tasks(parts.executor, [&log = parts.log](const std::string& task, const std::string& what) {
          log.event(log::Level::error, "bug", {{"task", task}, {"text", what}});
      }) {}

schedule::RetryRules Agent::State::retry_rules(const message::Envelope& envelope) const {
    const auto settings = parts.settings(); // the present ones, also for mail accepted under others (H134)
    auto lifetime = settings->queue.lifetime;
    if (envelope.origin == message::Origin::tls_report) lifetime = std::min<Millis>(lifetime, tlsrpt::patience);
    return {settings->queue.retry, lifetime};
}

ChannelRules Agent::State::channel_rules() const {
    const auto settings = parts.settings();
    ChannelRules out;
    out.hostname = settings->hostname;
    out.connect_timeout = settings->delivery.connect_timeout;
    out.handshake_timeout = settings->delivery.handshake_timeout;
    out.command_timeout = settings->delivery.command_timeout;
    out.data_timeout = settings->delivery.data_timeout;
    out.source_addresses = settings->delivery.source_addresses;
    return out;
}

void Agent::State::count(const store::RecipientUpdate& update, bool unsecured_dane) {
    if (!update.outcome) return;
    const auto& outcome = *update.outcome;
    ++counters.recipients[outcome.verdict];
    switch (outcome.verdict) {
    case Verdict::delivered: {
        ++counters.delivered_by_level[outcome.tls_level];
        if (unsecured_dane) ++counters.delivered_unsecured_dane;
        const auto second = std::chrono::duration_cast<Seconds>(parts.clock.now().time_since_epoch()).count();
        const auto at = static_cast<std::size_t>(second % 60);
        if (counters.second[at] != second) {
            counters.second[at] = second;
            counters.delivered_per_second[at] = 0;
        }
        ++counters.delivered_per_second[at];
        break;
    }
    case Verdict::deferred: ++counters.deferred_by_reason[outcome.reason]; break;
    case Verdict::bounced:
    case Verdict::expired: ++counters.bounced_by_reason[outcome.reason]; break;
    }
}

// DQ-015: a destination answers again, so what waits because it did not is due now, within the lane's width. It would
// come by itself at its next time, up to hours later.
Task<void> Agent::State::release_waiting(std::string domain, Reason over) {
    store::Filter filter;
    filter.domain = domain;
    filter.reason = word(over);
    auto acted = co_await parts.queue.act(store::Queue::Action::flush, std::move(filter), now());
    if (!acted) {
        parts.log.event(log::Level::warn, "store",
                        {{"domain", domain}, {"text", "waiting mail can't be released yet: " + acted.error().detail}});
        co_return;
    }
    if (acted->messages == 0) co_return;
    parts.log.event(log::Level::info, "recovered",
                    {{"domain", domain}, {"reason", word(over)}, {"messages", acted->messages}});
}

Agent::Agent(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {
    state_->parts.queue.on_due([state = state_.get()] {
        boost::asio::post(state->parts.executor, [state] {
            state->more_in_store = true;
            state->wakeup.notify();
        });
    });
}

Agent::~Agent() = default;

void Agent::accepted(std::vector<store::Job> jobs) {
    auto& s = *state_;
    std::vector<store::Job> beyond;
    for (auto& job : jobs) {
        const bool full = s.lanes.waiting_in(job.domain) >= window; // looked for when it runs low
        const bool room = !s.stopping && !full && s.lanes.waiting() < most_waiting;
        if (room) {
            auto lane = job.domain;
            s.lanes.add(lane, std::move(job));
        } else {
            if (!full) s.more_in_store = true;
            beyond.push_back(std::move(job));
        }
    }
    if (!beyond.empty()) {
        s.tasks.spawn("release", [](State& state, std::vector<store::Job> rest) -> Task<void> {
            (void)co_await state.parts.queue.release(std::move(rest));
        }(s, std::move(beyond)));
    }
    s.wakeup.notify();
}

namespace {

void take_rules(Agent::State& s) {
    const auto settings = s.parts.settings();
    s.sharing = s.parts.queue.sharing();
    s.lanes.set_rules(lane_rules(*settings, s.sharing));
    s.pool.set_rules(pool_rules(*settings, s.sharing));
}

Task<void> read_holds(Agent::State& s, Time now) {
    if (s.holds_known && now < s.holds_again) co_return;
    auto rules = co_await hold_rules(s.parts.queue);
    if (!rules) {
        s.parts.log.event(log::Level::error, "store", {{"text", "hold rules can't be read: " + rules.error().detail}});
        co_return;
    }
    s.holds = std::move(*rules);
    s.holds_known = true;
    const auto again = s.parts.queue.look_again();
    s.holds_again = again == Millis::max() ? Time::max() : now + again;
}

Task<void> bring_back(Agent::State& s, Time now) {
    if (!s.bring_back) co_return;
    const schedule::RetryRules rules{s.parts.settings()->queue.retry, {}};
    store::Filter filter;
    filter.due_after = std::max(schedule::latest_attempt(rules, now), now + *s.bring_back);
    auto acted = co_await s.parts.queue.act(store::Queue::Action::flush, std::move(filter), now);
    if (!acted) co_return; // the claim that follows tells of it; tried again with the next one
    s.bring_back.reset();
    if (acted->recipients > 0)
        s.parts.log.event(log::Level::warn, "store",
                          {{"text", "the clock was wrong: mail that waited for a time far away is due now"},
                           {"messages", acted->messages},
                           {"recipients", acted->recipients}});
}

Task<void> claim_due(Agent::State& s, Time now) {
    co_await bring_back(s, now);
    co_await read_holds(s, now);
    if (s.parts.queue.sharing() != s.sharing) take_rules(s);
    store::ClaimRequest request;
    request.now = now;
    request.limit = std::min<std::size_t>(1000, most_waiting - std::min(most_waiting, s.lanes.waiting()));
    request.per_domain = window;
    request.skip = s.lanes.full();
    const bool skipping = !request.skip.empty();
    if (request.limit == 0) {
        s.next_claim = now + look_again;
        co_return;
    }
    const auto limit = request.limit;
    s.more_in_store = false;
    auto jobs = co_await s.parts.queue.claim(std::move(request));
    if (!jobs) {
        s.parts.log.event(log::Level::error, "store", {{"text", "due mail can't be read: " + jobs.error().detail}});
        s.more_in_store = true;
        s.next_claim = now + std::chrono::seconds(5);
        co_return;
    }
    if (jobs->size() == limit) s.more_in_store = true;
    for (auto& job : *jobs) {
        auto lane = job.domain;
        s.lanes.add(lane, std::move(job));
    }
    const auto due = co_await s.parts.queue.next_due();
    s.next_claim = due ? *due : now + longest_wait;
    if (const auto again = s.parts.queue.look_again(); again != Millis::max())
        s.next_claim = std::min(s.next_claim, now + again);
    // Due work that stays behind waits for a full lane: look again soon, not at once.
    if (s.next_claim <= now) s.next_claim = now + (skipping || jobs->empty() ? look_again : Millis{0});
}

Task<void> try_later(Agent::State& s, const std::string& lane, store::Job job) {
    if (s.stopping) {
        (void)co_await s.parts.queue.release({std::move(job)});
        co_return;
    }
    s.lanes.insist(lane, std::move(job));
    s.wakeup.notify();
}

Task<void> deliver_one(Agent::State& s, schedule::Lanes<store::Job>::Start start) {
    const std::string lane = start.lane;
    Delivery delivery(s, std::move(start));
    std::string bug;
    try {
        co_await delivery.run();
    } catch (const std::exception& e) { // costs its message an attempt, not its place in the queue or the lane's
        bug = e.what();
    }
    delivery.leave_lane();
    if (delivery.insists) co_return co_await try_later(s, lane, std::move(delivery).job());
    if (!bug.empty()) co_await delivery.after_bug(std::move(bug));
}

} // namespace

Task<void> Agent::run() {
    auto& s = *state_;
    while (!s.stopping) {
        if (s.guarded.went_back(s.parts.clock.now(), uptime())) {
            s.bring_back = Millis{0};
            s.next_claim = s.holds_again = Time{};
        }
        const auto now = s.now();
        if (s.more_in_store || now >= s.next_claim) co_await claim_due(s, now);
        while (!s.stopping) {
            auto start = s.lanes.next(Agent::State::lane_now());
            if (!start) break;
            s.tasks.spawn("delivery", deliver_one(s, std::move(*start)));
        }
        s.lanes.tidy(Agent::State::lane_now());
        if (s.stopping) break;
        if (s.lanes.ran_low()) {
            s.more_in_store = true;
            continue;
        }
        if (s.more_in_store && s.lanes.waiting() < most_waiting / 2 && s.next_claim <= now) continue;
        const auto until = std::clamp<Millis>(s.next_claim - s.now(), Millis{1}, longest_wait);
        co_await s.wakeup.wait(net::deadline_after(until));
    }
}

Task<void> Agent::drain(net::Deadline deadline) {
    auto& s = *state_;
    s.stopping = true;
    s.wakeup.notify();
    auto waiting = s.lanes.drain();
    if (!waiting.empty()) (void)co_await s.parts.queue.release(std::move(waiting));
    if (!co_await s.tasks.join_until(deadline)) {
        s.tasks.cancel_all();
        co_await s.tasks.join();
    }
    co_await s.pool.close(deadline);
}

void Agent::wake(Wake how) {
    if (how == Wake::forget_failures) {
        state_->lanes.forget_pauses();
        state_->pool.forget_dead();
    }
    state_->more_in_store = true;
    state_->wakeup.notify();
}

void Agent::holds_changed() {
    state_->holds_again = Time{};
    wake(Wake::due);
}

void Agent::settings_changed() {
    take_rules(*state_);
    wake(Wake::due);
}

const AgentCounters& Agent::counters() const {
    return state_->counters;
}
Pool::Stats Agent::pool_stats() const {
    return state_->pool.stats();
}
Agent::Load Agent::load() const {
    return {state_->lanes.active(), state_->lanes.waiting(), state_->lanes.lane_count()};
}

} // namespace danelaw::delivery
