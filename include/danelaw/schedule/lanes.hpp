// Which message may start now, and towards which destination? The scheduler as a value: one lane a destination, its
// width growing on success and halving on trouble, round-robin among lanes, so that one slow or huge destination never
// delays another (DQ-015, DQ-016, SC-012, SC-061, H130). Pure: no I/O, no clock.
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/base/words.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <list>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace danelaw::schedule {

struct LaneRules {
    std::uint32_t total = 500;     // deliveries under way, all lanes together
    std::uint32_t per_lane = 20;   // upper bound of a lane's width
    std::uint32_t first_width = 4; // a new lane's width; it grows by one a success. And so many failures make it rest
    std::size_t window = 200;      // jobs of one lane held in memory; more stay in the store
    std::vector<Millis> retry;     // a dead destination is probed at half these intervals
    Millis longest_pause = std::chrono::minutes(5);
};

// Why a destination rests: what its last probe ended in, told for messages that were not tried meanwhile.
struct Pause {
    Time until{};
    Reason reason = Reason::none;
    std::string text;
    std::string host;
};

// What a delivery told about its destination (not about its message).
enum class Signal {
    good,    // a host answered and did its work
    busy,    // 421, 4yz at MAIL, time-out in the dialogue: fewer at once
    dead,    // no host could be used at all: after a few such, rest, then probe with one message
    neutral, // nothing learnt
};

template <class Job> class Lanes {
  public:
    explicit Lanes(LaneRules rules) : rules_(std::move(rules)) {}

    void set_rules(LaneRules rules) { rules_ = std::move(rules); }

    void add(const std::string& lane_name, Job job) {
        auto& lane = lane_for(lane_name);
        lane.waiting.push_back(std::move(job));
        if (lane.waiting.size() >= rules_.window / 2) lane.filled = true;
        enlist(lane);
        ++waiting_;
    }

    // A job that next() gave out with a pause must be tried all the same (expiry's last attempt, a message with rules
    // of its own): it comes again without one, within the lane's width and the total like any other (DQ-016).
    void insist(const std::string& lane_name, Job job) {
        auto& lane = lane_for(lane_name);
        lane.insisting.push_back(std::move(job));
        enlist(lane);
        ++waiting_;
    }

    // Of the lanes in turn, the next job that may start. A lane at rest gives its jobs out too, with the pause told:
    // the caller defers them without trying, or insists.
    struct Start {
        std::string lane;
        Job job;
        std::optional<Pause> pause;
    };
    std::optional<Start> next(Time now) {
        for (std::size_t tried = turn_.size(); tried > 0; --tried) {
            auto& lane = lanes_.at(turn_.front());
            turn_.splice(turn_.end(), turn_, turn_.begin());
            if (lane.empty()) {
                delist(lane);
                continue;
            }
            const bool room = active_ < rules_.total;
            // Each of them may wait for a time-out: one at a time would take hours.
            const bool insists = !lane.insisting.empty() && lane.active < std::max(width(lane), rules_.first_width);
            if (insists && room) return take(lane, lane.insisting);
            const bool resting = lane.pause && now < lane.pause->until;
            if (lane.waiting.empty()) continue;
            if (!resting && (!room || lane.active >= width(lane))) continue;
            auto out = take(lane, lane.waiting);
            if (resting) out.pause = lane.pause;
            return out;
        }
        return std::nullopt;
    }

    // `waited_for`: why the job's former attempt failed, when that was the destination's fault. Answers what others of
    // the destination still wait for and need wait for no longer, since it answers again; each reason once.
    std::vector<Reason> finished(const std::string& name, Signal signal, Time now, Pause why = {},
                                 Reason waited_for = Reason::none) {
        const auto found = lanes_.find(name);
        if (found == lanes_.end()) return {};
        auto& lane = found->second;
        if (lane.active > 0) --lane.active;
        if (active_ > 0) --active_;
        auto over = recovered(lane, signal, now, waited_for);
        learn(lane, signal, now, std::move(why));
        if (lane.active == 0 && lane.empty() && !lane.pause && now >= lane.kept_until) {
            delist(lane);
            lanes_.erase(found);
        }
        return over;
    }

    // An operator's flush: every destination is tried anew at once.
    void forget_pauses() {
        for (auto& [name, lane] : lanes_) {
            lane.pause.reset();
            lane.misses = lane.failures = 0;
        }
    }

    // Lanes whose window is full: the store is not asked for more of theirs.
    std::vector<std::string> full() const {
        std::vector<std::string> out;
        for (const auto& [name, lane] : lanes_)
            if (lane.size() >= rules_.window) out.push_back(name);
        return out;
    }

    // Has a lane that was well filled, so that more of it may be in the store, run low since this was asked last? Time
    // to look there, before its connections have nothing to do.
    bool ran_low() { return std::exchange(ran_low_, false); }

    // Lanes whose rest ended with nothing waiting are dropped; called now and then.
    void tidy(Time now) {
        for (auto at = lanes_.begin(); at != lanes_.end();) {
            auto& lane = at->second;
            const bool idle = lane.active == 0 && lane.empty() && now >= lane.kept_until;
            if (idle && (!lane.pause || now >= lane.pause->until + rules_.longest_pause)) {
                delist(lane);
                at = lanes_.erase(at);
            } else {
                ++at;
            }
        }
    }

    // All jobs that wait, taken out (shutdown, an operator's hold).
    std::vector<Job> drain() {
        std::vector<Job> out;
        for (auto& [name, lane] : lanes_) {
            for (auto* queue : {&lane.insisting, &lane.waiting}) {
                std::ranges::move(*queue, std::back_inserter(out));
                queue->clear();
            }
        }
        waiting_ = 0;
        return out;
    }

    std::size_t active() const { return active_; }
    std::size_t waiting() const { return waiting_; }
    std::size_t waiting_in(const std::string& name) const {
        const auto found = lanes_.find(name);
        return found == lanes_.end() ? 0 : found->second.size();
    }
    std::size_t lane_count() const { return lanes_.size(); }
    std::uint32_t width_of(const std::string& name) const {
        const auto found = lanes_.find(name);
        return found == lanes_.end() ? rules_.first_width : width(found->second);
    }

  private:
    struct Lane {
        std::string name;
        std::deque<Job> waiting, insisting;
        std::size_t size() const { return waiting.size() + insisting.size(); }
        bool empty() const { return size() == 0; }
        std::uint32_t active = 0;
        std::uint32_t width = 0;
        std::uint32_t misses = 0;   // messages that found it dead before it had to rest
        std::uint32_t failures = 0; // probes in a row that found it dead
        std::optional<Pause> pause;
        std::vector<Reason> rested_for, over; // why probes failed; what a success has told of since
        Time kept_until{};
        bool listed = false;
        bool filled = false; // half its window at least, and not yet down to a quarter
        std::list<std::string>::iterator at;
    };

    Lane& lane_for(const std::string& name) {
        auto& lane = lanes_[name];
        if (lane.name.empty()) {
            lane.name = name;
            lane.width = rules_.first_width;
        }
        return lane;
    }

    // After a rest one probe goes first; only its success opens the lane.
    std::uint32_t width(const Lane& lane) const {
        if (lane.failures > 0) return 1;
        return std::clamp<std::uint32_t>(lane.width, 1, std::max<std::uint32_t>(rules_.per_lane, 1));
    }

    // The lane itself remembers why it rested; one made anew (a restart, a long silence) learns of it from a job
    // (DQ-015).
    std::vector<Reason> recovered(Lane& lane, Signal signal, Time now, Reason waited_for) const {
        if (signal != Signal::good) return {};
        auto now_over = std::exchange(lane.rested_for, {});
        if (!in(now_over, waited_for)) now_over.push_back(waited_for);
        std::erase_if(now_over, [&](Reason r) { return r == Reason::none || in(lane.over, r); });
        lane.over.insert(lane.over.end(), now_over.begin(), now_over.end());
        if (!now_over.empty()) lane.kept_until = now + rules_.longest_pause; // while what it told of comes in
        return now_over;
    }

    static bool in(const std::vector<Reason>& list, Reason r) { return std::ranges::find(list, r) != list.end(); }

    // Only a rest makes its end worth telling: a host that fails now and then must not bring everybody back each time
    // (SC-090). What a server itself put off keeps its time.
    static void begin_rest(Lane& lane, Pause why) {
        ++lane.failures;
        lane.over.clear();
        if (why.reason != Reason::smtp_reply && !in(lane.rested_for, why.reason)) lane.rested_for.push_back(why.reason);
        lane.pause = std::move(why);
    }

    void learn(Lane& lane, Signal signal, Time now, Pause why) {
        switch (signal) {
        case Signal::good:
            lane.misses = lane.failures = 0;
            lane.pause.reset();
            if (lane.width < rules_.per_lane) ++lane.width;
            break;
        case Signal::busy: lane.width = std::max<std::uint32_t>(lane.width / 2, 1); break;
        case Signal::dead: {
            if (lane.pause && now < lane.pause->until) break; // others of the same moment say nothing new
            lane.width = std::max<std::uint32_t>(lane.width / 2, 1);
            const auto at = std::min<std::size_t>(lane.failures, rules_.retry.empty() ? 0 : rules_.retry.size() - 1);
            const Millis rest = std::min(rules_.retry.empty() ? Millis{0} : rules_.retry[at] / 2, rules_.longest_pause);
            // One failure is no reason to leave the next new message untried (DQ-013, DQ-016): it takes as many as a
            // burst would have started anyway.
            lane.kept_until = std::max(lane.kept_until, now + rest + rules_.longest_pause);
            if (lane.failures == 0 && ++lane.misses < rules_.first_width) break;
            why.until = now + rest;
            begin_rest(lane, std::move(why));
            break;
        }
        case Signal::neutral: break;
        }
    }

    Start take(Lane& lane, std::deque<Job>& queue) {
        Start out{lane.name, std::move(queue.front()), std::nullopt};
        queue.pop_front();
        --waiting_;
        ++lane.active;
        ++active_;
        if (lane.filled && lane.waiting.size() <= rules_.window / 4) {
            lane.filled = false;
            ran_low_ = true;
        }
        return out;
    }

    void enlist(Lane& lane) {
        if (lane.listed) return;
        turn_.push_back(lane.name);
        lane.at = std::prev(turn_.end());
        lane.listed = true;
    }
    void delist(Lane& lane) {
        if (!lane.listed) return;
        turn_.erase(lane.at);
        lane.listed = false;
    }

    LaneRules rules_;
    std::unordered_map<std::string, Lane> lanes_;
    std::list<std::string> turn_; // lanes with something waiting, in turn
    std::size_t active_ = 0;
    std::size_t waiting_ = 0;
    bool ran_low_ = false;
};

} // namespace danelaw::schedule
