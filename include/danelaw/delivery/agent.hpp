// Takes due mail from the queue to its destinations: claims, starts what may start, records what became of it.
// Design: docs/architecture.md, "The way of a message". One thread; deliveries are tasks of its group.
#pragma once

#include "danelaw/base/random.hpp"
#include "danelaw/config/settings.hpp"
#include "danelaw/delivery/pool.hpp"
#include "danelaw/delivery/router.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/schedule/lanes.hpp"
#include "danelaw/schedule/retry.hpp"
#include "danelaw/store/queue.hpp"
#include "danelaw/tlsrpt/session.hpp"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace danelaw::delivery {

// What the report module does for a delivery; the app connects the two.
struct NoticeSet {
    std::vector<store::NewMessage> messages; // to be stored with the outcomes, in one step (DQ-004)
    std::function<void()> announce;          // the events, once they are stable
};
class Reporter {
  public:
    virtual ~Reporter() = default;
    // May set delay_notified in the updates. `age` is the message's, by a clock that does not jump (DQ-012).
    virtual Task<NoticeSet> notices(const store::Message& message, std::vector<store::RecipientUpdate>& updates,
                                    Time now, Millis age) = 0;
};

// Counted since the start; read by status and metrics on the same thread.
struct AgentCounters {
    std::map<Verdict, std::uint64_t> recipients;
    std::map<Level, std::uint64_t> delivered_by_level;
    std::uint64_t delivered_unsecured_dane = 0; // DANE behind an insecure MX RRset (DANE-028)
    std::map<Reason, std::uint64_t> deferred_by_reason, bounced_by_reason;
    std::uint64_t attempts = 0, possible_duplicates = 0, record_failures = 0;
    std::array<std::uint64_t, 60> delivered_per_second{}; // of the last minute, by second modulo 60
    std::array<std::int64_t, 60> second{};
};

class Agent {
  public:
    struct Parts {
        boost::asio::any_io_executor executor;
        store::Queue& queue;
        Router& router;
        tls::Client& tls;
        Reporter& reporter;
        log::Log& log;
        const Clock& clock;
        std::function<std::shared_ptr<const config::Settings>()> settings; // the present one, after reloads
        // Every session that TLS reports count, as it happened; may be empty. Not of TLS reports, nor of
        // `TLS-Required: No` (TR-010…TR-019).
        std::function<void(const tlsrpt::Session&)> on_tls_session = nullptr;
    };
    explicit Agent(Parts parts);
    ~Agent();

    // Jobs of mail just accepted, claimed already. What doesn't fit in memory is released to the store.
    void accepted(std::vector<store::Job> jobs);
    // The scheduler; ends after stop().
    Task<void> run();
    // No new deliveries; those under way may end until the deadline, then they are cut off (their mail stays queued).
    Task<void> drain(net::Deadline deadline);
    // An operator's word: something became due, or every destination is to be tried anew.
    enum class Wake { due, forget_failures };
    void wake(Wake how);
    void settings_changed();
    void holds_changed(); // the rules by which arriving mail is held

    const AgentCounters& counters() const;
    Pool::Stats pool_stats() const;
    struct Load {
        std::size_t active = 0, waiting = 0, lanes = 0;
    };
    Load load() const;

    struct State; // shared with its deliveries, inside src/delivery

  private:
    std::unique_ptr<State> state_;
};

} // namespace danelaw::delivery
