// What the server says, as a value and as octets. Pure. RFC 5321 4.2, RFC 2034 4. SS-015, SS-017.
#pragma once

#include <string>
#include <string_view>

namespace danelaw::smtp {

struct ServerReply {
    int code = 250;
    std::string enhanced; // "2.1.0"; "" for the greeting, EHLO/HELO and 3yz
    std::string text;     // lines are separated by LF

    int cls() const { return code / 100; }
    bool good() const { return code < 400; }
    bool operator==(const ServerReply&) const = default;
};

// The reply's lines with their CRLFs, the enhanced code on each (SS-015). Octets that do not belong there are escaped
// and lines cut, whatever the caller put in (SS-017).
std::string wire(const ServerReply& reply);

} // namespace danelaw::smtp
