// What a notice to the sender says: who gets one, and its exact text. Pure: values in, a message's text out.
// report/notices.hpp fetches the returned message, signs and queues. RFC 3461, 3464, 6522, 6533, 3834; spec
// DQ-020…DQ-057.
#pragma once

#include "danelaw/message/envelope.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::message {

enum class Action { failed, delayed, relayed, delivered }; // RFC 3464 2.3.3
std::string_view word(Action a);

// What happened to a recipient, as the notice table (DQ-020) knows it.
enum class Event {
    taken_by_plain_server, // 2yz from a server that doesn't offer DSN
    taken_by_dsn_server,   // … that does: our duty ended (DQ-027)
    failed,                // 5yz, expiry, policy bounce, the operator's bounce
    late,                  // older than delay_warning and still being tried
    delivered_here,
};
std::optional<Action> notice_for(Event event, const Notify& notify);

// How much of the message goes back (DQ-030, DQ-052, DQ-053).
enum class Portion { full, header };
Portion portion_for(const Envelope& original, Action action, Bytes most_full);

struct NoticeRecipient {
    Recipient recipient; // address, orcpt
    Outcome outcome;     // the last attempt's; its reason and host are told in plain words
};

struct NoticeFacts {
    std::string id;       // the notice's own queue id
    std::string hostname; // Reporting-MTA, and the domain of From
    Time now{};
    Action action = Action::failed;
    Envelope original;
    std::vector<NoticeRecipient> recipients; // at least one
    std::optional<Time> will_retry_until;    // for delayed
    Portion portion = Portion::header;
    std::string returned;              // the message's octets, whole or its header section; may be cut by its reader
    bool returned_unavailable = false; // it could not be read: the notice says so and returns nothing
};

struct Notice {
    std::string content;   // header and body, CRLF line ends
    bool smtputf8 = false; // only when the sender's own address needs it (DQ-054)
};
Notice compose(const NoticeFacts& facts);

// The copy for the postmaster of a message without sender that could not be delivered (DQ-022).
Notice compose_for_postmaster(const NoticeFacts& facts, std::string_view postmaster);

// The header fields at the start of `content`, at most `most` octets, cut only between fields (H123). Without the blank
// line.
std::string header_section(std::string_view content, std::size_t most);

// In plain words: what a reason means and whose it is to mend. The host is named by the caller's sentence.
std::string_view explain(Reason reason);
std::string_view remedy(Reason reason); // "" when nobody but the sender can do anything

// "d.d.d" that fits the action (DQ-048).
std::string status_code(const Outcome& outcome, Action action);

} // namespace danelaw::message
