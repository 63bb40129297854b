// The fields that Danelaw puts on top of a message at acceptance: Received always, Date and Message-ID when missing
// (D-19). Pure. They are known only when the content's end was seen (missing fields, a DKIM-Signature over the body),
// so a message that came in pieces keeps them as its piece number 0, written last; read in order, the content is
// byte-exact. The whole prefix is received_field() + a DKIM-Signature, if any + missing_fields() + an empty line if
// scan.starts_with_body(). RFC 5321 4.4, RFC 3848, RFC 6531 4.3, RFC 5322 3.6. SS-049, SS-050.
#pragma once

#include "danelaw/message/envelope.hpp"
#include "danelaw/message/header_scan.hpp"

#include <string>
#include <vector>

namespace danelaw::message {

// One Received field with its final CRLF, folded. `for` is written only when there is one recipient. Peer text is made
// safe.
std::string received_field(const Envelope& envelope, const std::vector<Recipient>& recipients,
                           std::string_view hostname);

// Date and/or Message-ID fields that `scan` found missing; "" when none, or when the message has a Received line
// already: then we are not its first hop (SS-050).
std::string missing_fields(const HeaderScan& scan, Time now, std::string_view id, std::string_view hostname);

// "<id@hostname>": unique because queue ids are (DQ-009).
std::string message_id(std::string_view id, std::string_view hostname);

} // namespace danelaw::message
