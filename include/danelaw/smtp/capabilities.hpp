// What may we use with this server? The EHLO reply of one TLS state as a value; a new EHLO makes a new one (SC-024,
// SC-025). Pure. RFC 5321 4.1.1.1; SC-023, SC-071, SC-074, H100; RFC 9422 (LIMITS).
#pragma once

#include "danelaw/smtp/reply.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace danelaw::smtp {

struct Capabilities {
    bool esmtp = false; // EHLO was answered 2yz; false after HELO
    bool pipelining = false;
    bool eight_bit_mime = false; // also when only SMTPUTF8 is offered, which implies it (SC-074)
    bool smtputf8 = false;
    bool dsn = false;
    bool chunking = false;
    bool binarymime = false; // only with chunking (RFC 3030 3)
    bool starttls = false;
    bool requiretls = false;
    bool enhanced_status = false;
    bool size_offered = false;
    std::uint64_t size = 0; // 0: unknown (`SIZE`, `SIZE 0`, garbage; SC-071)
    std::optional<unsigned> limit_rcptmax, limit_mailmax, limit_rcptdomainmax;
    std::string peer_name; // first word of the first line: what the server calls itself (SC-008)

    bool operator==(const Capabilities&) const = default;
};

// From a 2yz reply to EHLO. For HELO's, use helo().
Capabilities capabilities(const Reply& ehlo);
Capabilities helo(const Reply& reply); // nothing offered, the name only

} // namespace danelaw::smtp
