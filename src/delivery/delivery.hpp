// One job: the due recipients of one message for one destination, taken from plan to record.
#pragma once

#include "agent_state.hpp"
#include "attempt.hpp"

#include "danelaw/message/to_seven_bit.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace danelaw::delivery {

// Between two tries of a store that can't be reached.
inline constexpr Millis first_pause = std::chrono::milliseconds(200);
inline constexpr Millis longest_pause = std::chrono::seconds(10);

class Delivery {
  public:
    using Lanes = schedule::Lanes<store::Job>;
    Delivery(Agent::State& agent, Lanes::Start start);

    // Ends when the outcome is on stable storage, or when nothing could be done.
    Task<void> run();
    // What it told about the destination, for the lane.
    schedule::Signal signal = schedule::Signal::neutral;
    schedule::Pause pause;
    // Nothing was done: it must be tried although its destination rests, when there is room for that.
    bool insists = false;
    store::Job job() && { return std::move(start_.job); }
    // Its place in the lane is free once the servers have answered, while the outcome is still on its way to the disk.
    void leave_lane();
    // run() threw: what was sent is recorded, the rest is tried again later.
    Task<void> after_bug(std::string what);

  private:
    enum class Next { address, host, done };

    Task<bool> load();
    enum class Patience { none, until_known }; // while the store can't tell
    Task<bool> still_ours(Patience patience);
    Task<void> give_back();
    Task<bool> cut_off();
    bool select_pending();
    Task<void> let_go_of_others();
    bool must_try() const;
    Task<void> route_and_try();
    bool refused_by_sts() const;
    dane::Halt halt_for(std::uint32_t number) const;
    Task<void> try_hosts();
    void conclude_pending();
    Task<void> try_host(const dane::HostPlan& host);
    Task<Next> try_address(const dane::HostPlan& host, Endpoint endpoint);
    void tell(const dane::HostPlan* host, const std::vector<policy::ReportedResult>& counted, const Whereabouts& where);
    void take_finding(const dane::HostPlan& host, const policy::TlsFinding& finding, const Whereabouts& where,
                      Attempt& attempt);
    std::uint32_t earlier_attempts() const;
    Task<std::expected<Channel, ChannelFailure>> open(const dane::HostPlan& host, Endpoint endpoint, Attempt& attempt,
                                                      Pool::Reuse reuse);
    std::optional<dane::HostFailure> cannot_take(const Channel& channel, const dane::HostPlan& host,
                                                 const Needs& needs) const;
    Task<std::optional<Next>> hand_over(Channel channel, const dane::HostPlan& host, Attempt attempt);
    Task<std::expected<std::unique_ptr<Content>, dane::HostFailure>> prepare(const Channel& channel,
                                                                             const dane::HostPlan& host, Needs& needs);
    Task<Result<std::unique_ptr<Content>>> content_for(Needs& needs, const Channel& channel,
                                                       message::Attached attached);
    void not_all_asked(const dane::HostPlan& host);
    static bool was_released(const message::Recipient& recipient);
    Task<bool> hold(std::set<std::uint32_t> whom, std::string why);
    void take_results(const TransactionResult& result, const Channel& channel, const dane::HostPlan& host,
                      Attempt& attempt);
    std::vector<const message::Recipient*> next_batch(const Channel& channel) const;

    void note(Attempt attempt);
    void note_skip(const dane::HostPlan& host);
    void fail_rest(const dane::Halt& halt, const std::string& host);
    void set_outcome(std::uint32_t number, message::Outcome outcome);

    Task<std::pair<store::Record, NoticeSet>> composed(std::vector<store::RecipientUpdate> updates);
    void tell_recorded(const std::vector<store::RecipientUpdate>& updates, const NoticeSet& notices,
                       const store::Recorded& recorded);
    Task<void> record();
    Task<std::optional<store::Recorded>> write(store::Record entry);
    Task<void> record_delivered();
    store::RecipientUpdate update_for(const message::Recipient& recipient, message::Outcome outcome);
    void announce(const std::vector<store::RecipientUpdate>& updates);
    void learn_signal();
    Reason waited_for() const;

    Agent::State& agent_;
    Lanes::Start start_;
    std::shared_ptr<const config::Settings> settings_;
    store::Message message_; // with the recipients of this job alone
    std::string domain_;
    Route route_;                     // of this attempt; its plan's hosts are referred to while they are tried
    std::set<std::uint32_t> pending_; // recipients whose fate is open in this attempt
    std::map<std::uint32_t, message::Outcome> outcomes_;  // decided in this attempt
    std::map<std::uint32_t, dane::HostFailure> answers_;  // a server's temporary word, should no other host take it
    std::map<std::uint32_t, message::Outcome> temporary_; // the same as an outcome
    std::vector<dane::HostFailure> failures_;             // one a host skipped or failed, in order of preference
    std::vector<std::string> trace_;
    bool answered_ = false; // some server took part in a transaction
    bool busy_ = false;
    bool held_ = false;                      // a policy of the relay holds the destination's mail
    bool abandoned_ = false;                 // the claim was lost, or nobody could tell: no MAIL, and nothing recorded
    bool unanswered_ = false;                // the last transaction left recipients without a word
    std::set<std::uint32_t> unsecured_dane_; // recipients reached by DANE behind an insecure MX RRset (DANE-028)
    bool left_lane_ = false;
    bool recorded_ = false;
    std::set<std::uint32_t> answered_here_; // recipients that the present host has answered for
};

} // namespace danelaw::delivery
