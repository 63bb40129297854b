// One mail transaction over an open channel: MAIL, RCPT…, DATA or BDAT, the content, and what every recipient's fate
// is. Replies are matched to commands by count alone and each is looked at (SC-052). What could not be learnt is
// "deferred": a duplicate is right, a loss is not (SC-058). RFC 5321 3.3, 4.2; RFC 2920.
#pragma once

#include "danelaw/delivery/channel.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/message/envelope.hpp"
#include "danelaw/policy/content_way.hpp"
#include "danelaw/store/queue.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::delivery {

// The content as it leaves, before line ends are made canonical and dots doubled.
class Content {
  public:
    virtual ~Content() = default;
    // Piece `sequence` from 0; empty after the last one.
    virtual Task<Result<std::string>> piece(std::uint32_t sequence) = 0;
};

class StoredContent final : public Content {
  public:
    StoredContent(store::Queue& queue, log::Log& log, std::string id) : queue_(queue), log_(log), id_(std::move(id)) {}
    Task<Result<std::string>> piece(std::uint32_t sequence) override;

  private:
    store::Queue& queue_;
    log::Log& log_;
    std::string id_;
};

// What the message needs of a server; found by looking (SC-077, SC-078, SC-073).
struct Needs {
    bool smtputf8 = false;
    smtp::Body body = smtp::Body::seven_bit;
    bool requiretls = false; // tagged, and a null sender's tag is only a wish (SC-126)
    bool requiretls_wish = false;
    Bytes size = 0;
};
Needs needs_of(const message::Envelope& envelope, const std::vector<const message::Recipient*>& recipients);

struct RecipientResult {
    std::uint32_t number = 0;
    Verdict verdict = Verdict::deferred; // delivered, deferred or bounced
    Reason reason = Reason::none;
    int code = 0;
    std::string enhanced;
    std::string text;
    bool next_host_may_try = false; // a temporary refusal that another host need not share (SC-057)
    bool next_transaction = false;  // too many at once: to be asked again over the same connection (SC-055)
};

struct TransactionResult {
    std::vector<RecipientResult> recipients; // one for each that was given
    bool channel_usable = false;             // may carry another message
    bool stale_channel = false;              // a reused channel that died before its first answer: a free retry (H107)
    bool possible_duplicate = false;         // no reply came to the final dot (D-22)
    bool busy = false;                       // the server asks for less: 421, 4yz, time-outs (SC-061)
    // To be remembered of this address. `refused`: at once again by DATA, over another connection, for those deferred.
    std::optional<policy::ChunkingDoubt> chunking_doubt;
};

struct TransactionRules {
    Millis command_timeout{}, data_timeout{};
};

// `recipients` are of one destination, at most limits::recipients_per_transaction. The caller has checked that the
// channel can take the message (policy); `body` is what the content given needs.
Task<TransactionResult> transact(Channel& channel, const message::Envelope& envelope,
                                 std::vector<const message::Recipient*> recipients, Needs needs, Content& content,
                                 TransactionRules rules);

} // namespace danelaw::delivery
