// Values of MAIL and RCPT parameters, the same for what we are told and for what we tell.
// Pure. RFC 6152 (BODY), RFC 3030 (BINARYMIME), RFC 3461 4 (RET, NOTIFY).
#pragma once

#include <string>

namespace danelaw::smtp {

enum class Body { seven_bit, eight_bit_mime, binary_mime }; // BODY= as declared (RFC 6152, RFC 3030)
enum class Ret { unset, full, headers };                    // RET= (RFC 3461 4.3)

// NOTIFY= (RFC 3461 4.1). All false: absent, which means failure with delay allowed (DQ-020).
struct Notify {
    bool never = false;
    bool success = false;
    bool failure = false;
    bool delay = false;
    std::string as_received; // "Success,DELAY": passed on like this (SC-079); "" when made here
    bool absent() const { return !never && !success && !failure && !delay; }
    bool wants_failure() const { return failure || absent(); }
    bool wants_delay() const { return delay || absent(); }
    bool operator==(const Notify&) const = default;
};

} // namespace danelaw::smtp
