// A message's envelope, its recipients and what is known about its content: the values that the queue keeps.
// Pure. Written by relay (and report), read by everything after it.
#pragma once

#include "danelaw/base/ip.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/base/time.hpp"
#include "danelaw/base/words.hpp"
#include "danelaw/smtp/parameters.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::message {

using smtp::Body;
using smtp::Notify;
using smtp::Ret;

// What a look at the content told (SC-073, SC-078, SC-123, SC-094), found while it streamed in.
struct ContentFacts {
    Bytes size = 0;                // octets as stored (after dot removal), CRLFs counted (RFC 1870)
    Bytes header_size = 0;         // octets up to and including the blank line
    bool eight_bit_body = false;   // any octet over 127 in the body
    bool eight_bit_header = false; // … in the header section: needs SMTPUTF8
    bool binary = false;           // BODY=BINARYMIME content
    bool tls_required_no = false;  // a single `TLS-Required: No` field (RFC 8689 3)
    bool signed_content = false;   // DKIM-Signature or multipart/signed: must not be re-encoded
    int received_count = 0;
    bool bare_line_ends = false; // a lone CR or LF was met (and repaired)
};

struct Client {                       // who handed it in; for Received, log and traces
    std::optional<IpAddress> address; // nullopt: unix socket or made here
    std::string helo;
    std::string user;     // AUTH identity, or the verified client certificate's name
    std::string protocol; // SMTP ESMTP ESMTPS ESMTPSA UTF8SMTP…; empty for what Danelaw made itself
    std::string tls;      // "TLSv1.3 TLS_AES_256_GCM_SHA384", or empty
};

// Why Danelaw made this message itself, if it did.
enum class Origin { client, delivery_report, tls_report };

struct Envelope {
    std::string id;           // queue id (base/id.hpp)
    std::string reverse_path; // "" is the null sender; strict form without brackets
    Body body = Body::seven_bit;
    bool smtputf8 = false;   // asked for at MAIL; need is decided by looking (SC-078)
    bool requiretls = false; // RFC 8689
    Ret ret = Ret::unset;
    std::string ret_as_received; // "Full" (SC-079)
    std::string envid;           // xtext as received (SC-079)
    std::string auth;            // AUTH= of MAIL, decoded; "" absent, "<>" unknown (SS-084)
    Origin origin = Origin::client;
    Time received_at{};
    Client client;
    ContentFacts content;
};

// What became of the last attempt at a recipient.
struct Outcome {
    Verdict verdict = Verdict::deferred;
    Reason reason = Reason::none;
    std::string host; // host that answered or failed; "" when none was reached
    Level tls_level = Level::none;
    int code = 0;               // SMTP reply code, 0 when no server spoke
    std::string enhanced;       // "4.7.5": the server's or ours (SC-096)
    std::string text;           // the server's words or ours, printable
    bool dsn_passed_on = false; // delivered to a server offering DSN: our duty to notify ended (DQ-027)
    bool released = false;      // an operator released it before: a policy's `hold` does not hold it again (DQ-019)
};

enum class RecipientState { queued, delivered, bounced, expired, deleted, held };
std::string_view word(RecipientState s);

struct Recipient {
    std::uint32_t number = 0; // position within the message, from 0
    std::string address;      // strict form without brackets, as received (SC-084)
    std::string domain;       // the lane: lower-case A-label domain, or "[literal]"
    std::string orcpt;        // "rfc822;…" xtext as received
    Notify notify;
    RecipientState state = RecipientState::queued;
    std::uint32_t attempts = 0;
    Time next_attempt{};
    bool delay_notified = false;
    std::optional<Outcome> last;
    std::string relay; // which relay works on it, on a shared queue; "" nobody
};

} // namespace danelaw::message
