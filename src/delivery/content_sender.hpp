// How the content leaves over a channel, and what answers it: dots doubled after 354, or in chunks by BDAT.
// Content that can't be read to its end is never ended: the connection is all that can be given up (DQ-011).
// SC-037, SC-058, SC-075, SC-076, D-22; RFC 3030 2. Private to src/delivery; used by one transaction.
#pragma once

#include "danelaw/delivery/transaction.hpp"
#include "danelaw/smtp/data_out.hpp"

#include <optional>

namespace danelaw::delivery {

struct ContentSent {
    std::optional<smtp::Reply> answer; // to its end, or the first that refused a chunk
    std::optional<Error> lost;         // the channel is of no more use
    bool ended = false;                // its end has left: without an answer nobody knows what became of it
    bool unreadable = false;           // lost by our own store
};

class ContentSender {
  public:
    ContentSender(Channel& channel, Content& content, const Needs& needs, TransactionRules rules);

    Task<ContentSent> by_data();    // after 354
    Task<ContentSent> empty_data(); // 354 though nobody was taken: the dot alone (SC-052)
    Task<ContentSent> by_bdat();    // once a recipient was accepted: no chunk is sent to be refused

  private:
    Task<Result<std::string>> next_piece();
    Task<void> dotted();
    Task<void> answered_too_early();
    Task<void> chunks();
    Task<void> send_chunk(std::string chunk);
    Task<void> take_answer();
    void give_up(Error why);
    Task<void> write(std::string_view octets);
    bool over() const { return sent_.lost || sent_.answer; }

    Channel& channel_;
    Content& content_;
    const Needs& needs_;
    TransactionRules rules_;
    std::uint32_t sequence_ = 0;
    Bytes read_ = 0;
    std::size_t unanswered_ = 0; // chunks in flight
    ContentSent sent_;
};

} // namespace danelaw::delivery
