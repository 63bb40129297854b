// Which notices does an attempt call for? Made before the attempt is recorded, so that states and notices become stable
// in one step (DQ-004). Called by delivery after each attempt, by admin for the operator's bounce. Nothing here can
// keep a result from being recorded: a message that can't be read gives a notice without it.
#pragma once

#include "danelaw/base/random.hpp"
#include "danelaw/dkim/signer.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/message/dsn.hpp"
#include "danelaw/store/queue.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::report {

template <class T> using Task = boost::asio::awaitable<T>;

struct NoticeSettings {
    std::string hostname, postmaster;
    Millis lifetime = std::chrono::hours(24 * 5);
    std::optional<Millis> delay_warning = std::chrono::hours(4);
};

// Notices to one sender beyond a burst are spaced out, never dropped (DQ-062, DQ-024). Shared by all threads.
class Pacer {
  public:
    Time slot(const std::string& sender, Time now);

  private:
    std::mutex mutex_;
    std::map<std::string, Time> next_; // when the sender's bucket is full again
};

struct Sent {          // what the log says once the notice is stable
    std::string event; // bounce-sent | delay-sent | relay-notice-sent | double-bounce | report-undeliverable
    std::string notice_id;
    std::string to;
    std::vector<std::string> recipients;
    Reason reason = Reason::none;
};

struct Notices {
    std::vector<store::NewMessage> messages; // for store::Record::notices
    std::vector<Sent> sent;
};

// Stateless but for the pacer; one per configuration, usable from every thread.
class NoticeMaker {
  public:
    NoticeMaker(store::Queue& queue, NoticeSettings settings, std::shared_ptr<const dkim::Keys> keys,
                std::shared_ptr<Pacer> pacer);

    // `updates` are what is about to be recorded for `message`; delay_notified is set where a delay notice was made.
    // bounced/expired → failed; delivered and not dsn_passed_on → relayed; queued and late → delayed.
    // `age` is the message's.
    Task<Notices> make(const store::Message& message, std::vector<store::RecipientUpdate>& updates, Time now,
                       Millis age) const;

  private:
    Task<std::string> returned(const message::Envelope& envelope, message::Portion portion, bool& unavailable) const;
    Task<void> add(Notices& out, const store::Message& message, message::Action action,
                   std::vector<message::NoticeRecipient> recipients, Time now) const;
    void add_for_postmaster(Notices& out, const store::Message& message,
                            std::vector<message::NoticeRecipient> recipients, Time now) const;
    store::NewMessage envelop(message::Notice notice, std::string id, std::string to, const message::Envelope& original,
                              Time now) const;

    store::Queue& queue_;
    NoticeSettings settings_;
    std::shared_ptr<const dkim::Keys> keys_;
    std::shared_ptr<Pacer> pacer_;
};

// After record() returned: one event a notice (DQ-063).
void announce(log::Log& log, const store::Message& message, const Notices& notices);

} // namespace danelaw::report
