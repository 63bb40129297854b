// Which parameters go with MAIL and RCPT to this server? Only what it offered in this TLS state (SC-024).
// Pure. Called by delivery's transaction. RFC 5321 4.1.1.2-3, 1870, 6152, 3030, 6531, 3461, 8689, 6533. SC-070…SC-084.
#pragma once

#include "danelaw/smtp/capabilities.hpp"
#include "danelaw/smtp/parameters.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace danelaw::smtp {

struct MailFacts {
    std::string_view reverse_path;     // "" is the null sender (SC-083)
    std::optional<std::uint64_t> size; // octets as transmitted, dot-stuffing not counted (SC-070)
    Body body = Body::seven_bit;       // what the content needs, not what was declared (SC-074)
    bool needs_smtputf8 = false;       // found by looking (SC-078)
    bool requiretls = false;
    Ret ret = Ret::unset;
    std::string_view ret_as_received; // "Full": goes out like this
    std::string_view envid;           // xtext as received
};

struct RcptFacts {
    std::string_view address;
    std::string_view orcpt; // "rfc822;…" xtext as received
    Notify notify;
    bool with_smtputf8 = false; // the transaction's MAIL carries SMTPUTF8 (SC-081)
};

// Complete lines with their CRLF. Whether the server can take the message at all was decided before: a need that the
// capabilities do not meet is left out here, never invented.
std::string mail_command(const MailFacts& facts, const Capabilities& offered);
std::string rcpt_command(const RcptFacts& facts, const Capabilities& offered);

// A `utf-8;` ORCPT in the form that needs no SMTPUTF8: octets over 127 become \x{…} (RFC 6533 3, SC-081).
std::string seven_bit_orcpt(std::string_view orcpt);
std::string notify_text(const Notify& notify); // as received, else "SUCCESS,FAILURE"; "" when absent

} // namespace danelaw::smtp
