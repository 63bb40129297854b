#include "danelaw/smtp/capabilities.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace danelaw::smtp {
namespace {

struct Keyword {
    std::string_view name;
    bool Capabilities::* flag;
};
constexpr std::array keywords{
    Keyword{"PIPELINING", &Capabilities::pipelining},   // RFC 2920
    Keyword{"8BITMIME", &Capabilities::eight_bit_mime}, // RFC 6152
    Keyword{"SMTPUTF8", &Capabilities::smtputf8},       // RFC 6531
    Keyword{"DSN", &Capabilities::dsn},                 // RFC 3461
    Keyword{"CHUNKING", &Capabilities::chunking},       // RFC 3030
    Keyword{"BINARYMIME", &Capabilities::binarymime},   // RFC 3030
    Keyword{"STARTTLS", &Capabilities::starttls},       // RFC 3207
    Keyword{"REQUIRETLS", &Capabilities::requiretls},   // RFC 8689
    Keyword{"ENHANCEDSTATUSCODES", &Capabilities::enhanced_status},
    Keyword{"SIZE", &Capabilities::size_offered}, // RFC 1870
};

std::string first_word(const Reply& reply) {
    if (reply.lines.empty()) return {};
    auto line = trim(reply.lines.front());
    return printable(line.substr(0, line.find(' ')), 255);
}

// RFC 9422 3: "RCPTMAX=100 MAILMAX=10"; unknown names and odd values are ignored.
void read_limits(std::string_view values, Capabilities& into) {
    for (const auto& item : split(values, ' ')) {
        auto equals = item.find('=');
        if (equals == std::string::npos) continue;
        auto n = parse_number(std::string_view(item).substr(equals + 1));
        if (!n || *n == 0 || *n > std::numeric_limits<unsigned>::max()) continue;
        auto key = std::string_view(item).substr(0, equals);
        auto value = static_cast<unsigned>(*n);
        if (iequals(key, "RCPTMAX")) into.limit_rcptmax = value;
        if (iequals(key, "MAILMAX")) into.limit_mailmax = value;
        if (iequals(key, "RCPTDOMAINMAX")) into.limit_rcptdomainmax = value;
    }
}

} // namespace

Capabilities capabilities(const Reply& ehlo) {
    Capabilities found;
    found.esmtp = true;
    found.peer_name = first_word(ehlo);
    for (std::size_t i = 1; i < ehlo.lines.size(); ++i) { // the first line is no keyword (SC-023)
        auto line = trim(ehlo.lines[i]);
        auto end = line.find_first_of(" \t="); // `KEY=…` of old servers (SC-023)
        auto key = line.substr(0, end);
        auto value = end == std::string_view::npos ? std::string_view{} : trim(line.substr(end + 1));
        for (const auto& k : keywords)
            if (iequals(key, k.name)) found.*k.flag = true;
        if (iequals(key, "SIZE")) found.size = parse_number(value).value_or(0);
        if (iequals(key, "LIMITS")) read_limits(value, found);
    }
    found.eight_bit_mime = found.eight_bit_mime || found.smtputf8; // SC-074
    found.binarymime = found.binarymime && found.chunking;         // RFC 3030 3
    return found;
}

Capabilities helo(const Reply& reply) {
    Capabilities found;
    found.peer_name = first_word(reply);
    return found;
}

} // namespace danelaw::smtp
