// What an event of a delivery means: a server's reply, a step of TLS. Go on, another host, later, never; and what a TLS
// report counts. Pure. Called by delivery and `danelaw check`; detecting code reports, this file decides.
// RFC 5321 4.2.1, 4.5.3.1.10; RFC 3207 4; RFC 7672 2.2; RFC 8460 4.3. SC-020…SC-057, DANE-122…125, TR-010…021.
#pragma once

#include "danelaw/dane/plan.hpp"
#include "danelaw/smtp/reply.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace danelaw::policy {

// -- replies ----------------------------------------------------------------------------------------

enum class Stage { greeting, ehlo, helo, starttls, mail, rcpt, data, end_of_data };

enum class Then {
    go_on,            // what the stage wanted
    try_helo,         // an old server may know HELO (SC-021)
    no_tls,           // STARTTLS is not to be had: after_tls() says what that means
    next_host,        // this host is of no use now; the message is not refused
    defer,            // not taken for now; another host may be asked in the same attempt (SC-057)
    next_transaction, // too many recipients at once: the rest go in the next one, over this connection (SC-055)
    bounce,           // the server's no to what was asked: to the recipients concerned (SC-054, SC-056)
};

struct ReplyVerdict {
    Then then = Then::next_host;
    bool session_over = false;     // 421 at any point (SC-031)
    bool final_everywhere = false; // bounces when every host says so (D-14)
};
// `accepted_before`: recipients that this transaction has already (RCPT only).
ReplyVerdict on_reply(Stage stage, const smtp::Reply& reply, std::size_t accepted_before = 0);
// A refusal of us, not of the message: the server wants to know who we are (RFC 4954 6). From a relay that the operator
// configured it is his to mend (SC-092).
bool refuses_us(int code);

// -- TLS --------------------------------------------------------------------------------------------

enum class TlsEvent {
    not_offered, // no STARTTLS in the reply to EHLO, or HELO was all the server knew
    refused,     // STARTTLS answered by something else than 220 (D-31)
    broken,      // no TLS session came about: alert, close, garbage, time-out (DANE-117); nor did one when the server
                 // is silent after the handshake, where TLS 1.3 lets its alert arrive
    unverified,  // a session, but what the requirement asks does not hold
    passed,
};

enum class TlsNext {
    send,         // MAIL may follow
    clear_here,   // in clear text, over this connection (opportunistic TLS only)
    clear_anew,   // in clear text, over a new connection to the same address (DANE-125, D-30)
    next_address, // nothing of the message may pass here
};
// `earlier_attempts`: how often the message was tried before.
TlsNext after_tls(const dane::HostPlan& host, TlsEvent event, std::uint32_t earlier_attempts);

// -- TLS reports ------------------------------------------------------------------------------------

enum class ReportedPolicy { tlsa, sts, no_policy_found };

// One session as RFC 8460 counts it. `result` none: a success.
struct ReportedResult {
    ReportedPolicy policy = ReportedPolicy::no_policy_found;
    Reason result = Reason::none;
    std::string code; // failure-reason-code (TR-012)
    bool operator==(const ReportedResult&) const = default;
};

// A host that was not connected to because its plan says skip. Empty: nothing to count.
std::vector<ReportedResult> report_skipped(const dane::HostPlan& host);
// No host at all: a bogus MX RRset (row 1).
std::vector<ReportedResult> report_halted(const dane::Plan& plan);
// A connection that got as far as needing TLS. `reason` and `code`: of an unverified or broken session. Under an
// MTA-STS policy in testing mode `web_pki` is what its check came to, nullopt when it was not made.
struct TlsFinding {
    TlsEvent event = TlsEvent::passed;
    Reason reason = Reason::none;
    std::string code;
    std::optional<Reason> web_pki;
};
std::vector<ReportedResult> report_session(const dane::HostPlan& host, const TlsFinding& finding);

} // namespace danelaw::policy
