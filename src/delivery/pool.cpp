// Channel reuse and the bounds on connections to one address.
#include "danelaw/delivery/pool.hpp"

#include <algorithm>

namespace danelaw::delivery {
namespace {

// A refusal that tells "not so many", not "not you": worth waiting for one of the connections that exist (SC-061).
bool asks_for_fewer(const ChannelFailure& failure) {
    return failure.stage == ChannelFailure::Stage::greeting && failure.code / 100 == 4;
}

constexpr std::uint32_t successes_to_grow = 50;
constexpr std::uint32_t first_openings = 5; // at once towards one address, before any has succeeded
constexpr Millis shortest_patience = std::chrono::milliseconds(2);
constexpr Millis longest_patience = std::chrono::milliseconds(250);
constexpr auto no_deadline = net::Deadline::max();
constexpr std::size_t remembered = 10000;            // addresses, of a kind
constexpr auto doubted_for = std::chrono::hours(24); // longer than any wait for a retry

} // namespace

Pool::Pool(const boost::asio::any_io_executor& executor, tls::Client& tls, PoolRules rules)
    : executor_(executor), tls_(tls), rules_(rules), sweep_now_(executor),
      tasks_(executor, [](const std::string&, const std::string&) {}) {}

std::optional<Channel> Pool::reusable(Slot& slot, const dane::HostPlan& host, const std::string& identity) {
    for (auto at = slot.idle.rbegin(); at != slot.idle.rend();
         ++at) { // the one used last is the least likely to be stale
        if (at->channel.identity != identity || !may_use(at->channel, host)) continue;
        Channel channel = std::move(at->channel);
        slot.idle.erase(std::next(at).base());
        if (channel.quiet()) return channel;
        channel.close(); // a stale 421 or an end was waiting there (H107, H111)
        --slot.open;
        return reusable(slot, host, identity);
    }
    return std::nullopt;
}

Task<std::expected<Channel, ChannelFailure>> Pool::take(dane::HostPlan host, Endpoint endpoint, ChannelRules rules,
                                                        Reuse reuse) {
    auto identity = identity_of(host, endpoint, rules);
    if (rules.protection == ChannelRules::Protection::clear_anew) identity += "|clear";
    std::optional<Turn> turn;
    for (;;) {
        auto& slot = slots_[endpoint];
        if (slot.limit == 0) slot.limit = rules_.per_endpoint;
        if (reuse == Reuse::allowed) {
            if (auto channel = reusable(slot, host, identity)) {
                ++stats_.reused;
                apply_doubts(*channel);
                leave(turn, slot);
                pass_on(slot);
                co_return std::move(*channel);
            }
        }
        if (slot.open >= slot.limit && !slot.idle.empty()) close_one(slot); // not ours to use: make room
        const bool patient = reuse == Reuse::allowed && !(turn && turn->patience_over);
        if (may_open(slot, patient)) {
            leave(turn, slot);
            auto opened = co_await open(slot, host, endpoint, rules);
            if (opened) {
                opened->identity = std::move(identity);
                apply_doubts(*opened);
                co_return std::move(*opened);
            }
            const auto others = slots_.find(endpoint);
            if (!asks_for_fewer(opened.error()) || others == slots_.end() || others->second.open == 0)
                co_return std::unexpected(std::move(opened.error()));
            continue;
        }
        if (!turn) {
            turn.emplace(executor_);
            slot.waiting.push_back(&turn->wakeup);
            turn->place = std::prev(slot.waiting.end());
        }
        const bool room = slot.open < slot.limit;
        const auto woken = co_await turn->wakeup.wait(room ? net::deadline_after(slot.opening_takes) : no_deadline);
        if (woken == net::Wakeup::Woken::cancelled) {
            leave(turn, slots_[endpoint]);
            ChannelFailure failure;
            failure.reason = Reason::connect_failed;
            failure.text = "given up: the relay is stopping";
            co_return std::unexpected(std::move(failure));
        }
        if (woken == net::Wakeup::Woken::timed_out) turn->patience_over = true;
    }
}

// A channel in use will be free in a moment: a new one is worth its handshake only for who has waited as long as
// opening one takes. A few may be opened at once, and as many as there are already: numbers double while they are
// missing.
bool Pool::may_open(const Slot& slot, bool patient) {
    if (slot.open >= slot.limit) return false;
    if (slot.open == 0) return true;
    return !patient && slot.opening < std::max<std::uint32_t>(first_openings, slot.open - slot.opening);
}

Task<std::expected<Channel, ChannelFailure>> Pool::open(Slot& slot, const dane::HostPlan& host, Endpoint endpoint,
                                                        ChannelRules rules) {
    make_room();
    ++slot.open;
    ++slot.opening;
    pass_on(slot);
    const auto began = std::chrono::steady_clock::now();
    auto opened = co_await open_channel(tls_, host, endpoint, std::move(rules));
    auto& same_slot = slots_[endpoint]; // the map may have changed while we waited
    --same_slot.opening;
    if (opened) {
        const auto took = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - began);
        same_slot.opening_takes = std::clamp(took, shortest_patience, longest_patience);
        dead_.erase(endpoint);
        ++stats_.opened;
        if (opened->tls) ++stats_.handshakes;
    } else {
        ++stats_.failed;
        note_failure(endpoint, same_slot, opened.error());
        closed_one(endpoint);
    }
    co_return opened;
}

void Pool::leave(std::optional<Turn>& turn, Slot& slot) {
    if (!turn) return;
    slot.waiting.erase(turn->place);
    turn.reset();
}

// Two notices to one waiter are one: who takes a turn sees to it that the next is told of what is left.
void Pool::pass_on(Slot& slot) {
    if (!slot.waiting.empty() && (slot.open < slot.limit || !slot.idle.empty())) slot.waiting.front()->notify();
}

void Pool::note_failure(const Endpoint& endpoint, Slot& slot, const ChannelFailure& failure) {
    if (asks_for_fewer(failure)) {
        slot.limit = std::max<std::uint32_t>(slot.open - 1, 1);
        slot.successes = 0;
        return;
    }
    const bool unreachable =
        failure.stage == ChannelFailure::Stage::connect || failure.stage == ChannelFailure::Stage::greeting;
    if (unreachable && rules_.dead_for.count() > 0) dead_[endpoint] = net::deadline_after(rules_.dead_for);
    if (dead_.size() > remembered) dead_.erase(std::ranges::min_element(dead_, {}, [](auto& d) { return d.second; }));
}

bool Pool::thought_dead(const Endpoint& endpoint) const {
    const auto found = dead_.find(endpoint);
    return found != dead_.end() && std::chrono::steady_clock::now() < found->second;
}

void Pool::doubt_chunking(const Endpoint& endpoint, policy::ChunkingDoubt doubt) {
    const auto [known, added] = chunking_doubts_.try_emplace(endpoint, Doubt{doubt, {}});
    known->second.until = net::deadline_after(doubted_for);
    if (doubt == policy::ChunkingDoubt::refused) known->second.what = doubt; // "unanswered" says less
    if (added && chunking_doubts_.size() > remembered)
        chunking_doubts_.erase(std::ranges::min_element(chunking_doubts_, {}, [](auto& d) { return d.second.until; }));
}

void Pool::apply_doubts(Channel& channel) {
    const auto found = chunking_doubts_.find(channel.endpoint());
    if (found == chunking_doubts_.end()) return;
    if (std::chrono::steady_clock::now() < found->second.until)
        policy::apply(found->second.what, channel.offered);
    else
        chunking_doubts_.erase(found);
}

void Pool::closed_one(const Endpoint& endpoint) {
    const auto found = slots_.find(endpoint);
    if (found == slots_.end()) return;
    auto& slot = found->second;
    if (slot.open > 0) --slot.open;
    if (!slot.waiting.empty())
        slot.waiting.front()->notify();
    else if (slot.open == 0 && slot.limit >= rules_.per_endpoint)
        slots_.erase(found);
}

// Lent-out channels are bounded by the deliveries under way; idle ones give way to them.
void Pool::make_room() {
    std::uint64_t open = 0;
    Slot* idle = nullptr;
    for (auto& [endpoint, slot] : slots_) {
        open += slot.open;
        if (!slot.idle.empty() && (idle == nullptr || slot.idle.front().since < idle->idle.front().since)) idle = &slot;
    }
    if (open >= rules_.total && idle != nullptr) close_one(*idle);
}

void Pool::close_one(Slot& slot) {
    auto idle = std::move(slot.idle.front());
    slot.idle.pop_front();
    --slot.open;
    tasks_.spawn("quit", say_goodbye(std::move(idle.channel)));
}

void Pool::give_back(Channel channel, Mood mood) {
    const auto endpoint = channel.endpoint();
    auto& slot = slots_[endpoint];
    if (slot.limit == 0) slot.limit = rules_.per_endpoint;
    if (mood == Mood::busy) {
        slot.limit = std::max<std::uint32_t>(slot.limit / 2, 1);
        slot.successes = 0;
    } else if (slot.limit < rules_.per_endpoint && ++slot.successes >= successes_to_grow) {
        ++slot.limit;
        slot.successes = 0;
    }
    const bool keep = !closing_ && rules_.idle_reuse.count() > 0 && channel.messages < rules_.messages_per_connection &&
                      !channel.used_up() && slot.open <= slot.limit &&
                      channel.is_open(); // what it says meanwhile is read before the next use
    if (!keep) {
        retire(std::move(channel));
        return;
    }
    slot.idle.push_back(Idle{std::move(channel), std::chrono::steady_clock::now()});
    if (!slot.waiting.empty()) slot.waiting.front()->notify();
    if (!sweeping_) {
        sweeping_ = true;
        tasks_.spawn("idle channels", sweep());
    }
}

void Pool::retire(Channel channel) {
    const auto endpoint = channel.endpoint();
    if (channel.quiet())
        tasks_.spawn("quit", say_goodbye(std::move(channel)));
    else
        channel.close();
    closed_one(endpoint);
}

Task<void> Pool::say_goodbye(Channel channel) {
    co_await channel.quit();
}

// Ends channels that were idle for too long, oldest first; runs while there are any.
Task<void> Pool::sweep() {
    for (;;) {
        const auto now = std::chrono::steady_clock::now();
        auto next = net::Deadline::max();
        std::vector<Channel> old;
        for (auto& [endpoint, slot] : slots_) {
            while (!slot.idle.empty() && slot.idle.front().since + rules_.idle_reuse <= now) {
                old.push_back(std::move(slot.idle.front().channel));
                slot.idle.pop_front();
            }
            if (!slot.idle.empty()) next = std::min(next, slot.idle.front().since + rules_.idle_reuse);
        }
        for (auto& channel : old) retire(std::move(channel));
        if (next == net::Deadline::max()) break;
        if (closing_ || co_await sweep_now_.wait(next) == net::Wakeup::Woken::cancelled) break;
    }
    sweeping_ = false;
}

Task<void> Pool::close(net::Deadline deadline) {
    closing_ = true;
    sweep_now_.notify(); // there will be nothing to sweep: a stop need not wait for it
    std::vector<Channel> all;
    for (auto& [endpoint, slot] : slots_) {
        for (auto& idle : slot.idle) all.push_back(std::move(idle.channel));
        slot.idle.clear();
    }
    for (auto& channel : all) retire(std::move(channel));
    if (!co_await tasks_.join_until(deadline)) tasks_.cancel_all();
    co_await tasks_.join();
}

Pool::Stats Pool::stats() const {
    auto out = stats_;
    for (const auto& [endpoint, slot] : slots_) {
        out.open += slot.open;
        out.idle += slot.idle.size();
    }
    return out;
}

} // namespace danelaw::delivery
