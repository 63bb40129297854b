// Reading what libunbound found. Its fields need care: a bogus answer carries data too, a failed one looks like an
// absence but for its rcode, and `secure` speaks for the whole alias chain.
#include "verdict_priv.hpp"

#include "danelaw/base/text.hpp"

#include <unbound.h>

namespace danelaw::resolver {
namespace {

constexpr int noerror = 0, nxdomain = 3;

std::string rcode_text(int rcode) {
    switch (rcode) {
    case 1: return "FORMERR";
    case 2: return "SERVFAIL";
    case 4: return "NOTIMP";
    case 5: return "REFUSED";
    default: return "rcode " + std::to_string(rcode);
    }
}

// An expired or not yet valid signature on everything is the mark of a wrong clock (H37).
std::string bogus_text(const ub_result& result) {
    if (result.why_bogus == nullptr) return "DNSSEC validation failed";
    std::string why = printable(result.why_bogus, 400);
    if (why.find("before inception") != std::string::npos || why.find("not yet valid") != std::string::npos) {
        why += " (is this machine's clock right?)";
    }
    return why;
}

} // namespace

Raw failed_lookup(std::string why) {
    Raw raw;
    raw.why = std::move(why);
    return raw;
}

Raw read_result(int code, const ub_result* result) {
    if (code != 0) return failed_lookup(std::string("the resolver: ") + ub_strerror(code));
    if (result == nullptr) return failed_lookup("the resolver gave no result");
    Raw raw;
    if (result->bogus != 0) { // before anything else: data may be there
        raw.status = dns::Status::bogus;
        raw.why = bogus_text(*result);
        return raw;
    }
    if (result->rcode != noerror && result->rcode != nxdomain) {
        std::string why = rcode_text(result->rcode);
        if (result->why_bogus != nullptr) why += std::string(": ") + printable(result->why_bogus, 400);
        return failed_lookup(std::move(why));
    }
    if (result->havedata != 0) {
        for (int i = 0; result->data[i] != nullptr; ++i) {
            raw.rdata.emplace_back(result->data[i], static_cast<std::size_t>(result->len[i]));
        }
    }
    if (raw.rdata.empty()) {
        const bool no_name = result->nxdomain != 0 || result->rcode == nxdomain;
        raw.absence = no_name ? dns::Absence::nxdomain : dns::Absence::nodata;
    }
    if (result->canonname != nullptr) raw.canonical = result->canonname;
    raw.ttl = Seconds(result->ttl);
    raw.status = result->secure != 0 ? dns::Status::secure : dns::Status::insecure;
    return raw;
}

} // namespace danelaw::resolver
