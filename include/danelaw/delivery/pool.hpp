// Open channels, shared by every destination whose plan accepts what authenticated them (D-24), and how many there may
// be to one address at a time (SC-060, SC-061). One thread.
#pragma once

#include "danelaw/delivery/channel.hpp"
#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/policy/content_way.hpp"

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>

namespace danelaw::delivery {

struct PoolRules {
    std::uint32_t total = 500;       // delivery.connections: open at a time, idle ones among them
    std::uint32_t per_endpoint = 20; // delivery.connections_per_destination: also of shared hosts
    std::uint32_t messages_per_connection = 100;
    Millis idle_reuse = std::chrono::seconds(5);
    Millis dead_for = std::chrono::seconds(60); // an address that refused is not dialled by every message (SC-012)
};

class Pool {
  public:
    struct Stats {
        std::uint64_t opened = 0, reused = 0, handshakes = 0, failed = 0;
        std::size_t open = 0, idle = 0;
    };

    Pool(const boost::asio::any_io_executor& executor, tls::Client& tls, PoolRules rules);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    enum class Reuse { allowed, fresh_only };
    // An idle channel that this plan may use, or a new one. Waits for its turn while the address has as many as it
    // bears.
    Task<std::expected<Channel, ChannelFailure>> take(dane::HostPlan host, Endpoint endpoint, ChannelRules rules,
                                                      Reuse reuse = Reuse::allowed);
    // Every channel taken comes back, whatever its state. `busy`: the server asked for less.
    enum class Mood { good, busy };
    void give_back(Channel channel, Mood mood);

    // Did this address refuse within the last minute?
    bool thought_dead(const Endpoint& endpoint) const;
    void forget_dead() { dead_.clear(); }
    // What BDAT came to with this address; for a day its channels are lent out as if they offered less.
    void doubt_chunking(const Endpoint& endpoint, policy::ChunkingDoubt doubt);

    void set_rules(PoolRules rules) { rules_ = rules; }
    // Closes what is idle; what is lent out is closed when it comes back.
    Task<void> close(net::Deadline deadline);
    Stats stats() const;

  private:
    struct Idle {
        Channel channel;
        net::Deadline since;
    };
    struct Doubt {
        policy::ChunkingDoubt what;
        net::Deadline until;
    };
    struct Slot {
        std::uint32_t open = 0;    // lent out, idle and being opened
        std::uint32_t opening = 0; // of these, being opened
        std::uint32_t limit = 0;
        std::uint32_t successes = 0;
        Millis opening_takes{20}; // the last one took so long: how long to wait for one in use instead
        std::deque<Idle> idle;
        std::list<net::Wakeup*> waiting; // in order
    };
    // A place among those who wait for a channel to one address.
    struct Turn {
        explicit Turn(const boost::asio::any_io_executor& executor) : wakeup(executor) {}
        net::Wakeup wakeup;
        std::list<net::Wakeup*>::iterator place;
        bool patience_over = false;
    };
    static bool may_open(const Slot& slot, bool patient);
    Task<std::expected<Channel, ChannelFailure>> open(Slot& slot, const dane::HostPlan& host, Endpoint endpoint,
                                                      ChannelRules rules);
    static void leave(std::optional<Turn>& turn, Slot& slot);
    std::optional<Channel> reusable(Slot& slot, const dane::HostPlan& host, const std::string& identity);
    void apply_doubts(Channel& channel);
    void close_one(Slot& slot);
    void make_room();
    static void pass_on(Slot& slot);
    void closed_one(const Endpoint& endpoint);
    void note_failure(const Endpoint& endpoint, Slot& slot, const ChannelFailure& failure);
    void retire(Channel channel);
    Task<void> say_goodbye(Channel channel);
    Task<void> sweep();

    boost::asio::any_io_executor executor_;
    tls::Client& tls_;
    PoolRules rules_;
    std::map<Endpoint, Slot> slots_;
    std::map<Endpoint, net::Deadline> dead_;
    std::map<Endpoint, Doubt> chunking_doubts_;
    Stats stats_;
    bool sweeping_ = false;
    net::Wakeup sweep_now_;
    bool closing_ = false;
    net::TaskGroup tasks_;
};

} // namespace danelaw::delivery
