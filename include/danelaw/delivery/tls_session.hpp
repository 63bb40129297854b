// A TLS session as reports count it, from what delivery knows of it. Which sessions count, and as what, is said by
// policy::report_session() and its like; here they get their policy's text and the places. Pure. Called by delivery.
// RFC 8460 4.2-4.4; TR-011, TR-012, TR-014, TR-015.
#pragma once

#include "danelaw/delivery/channel.hpp"
#include "danelaw/delivery/router.hpp"
#include "danelaw/message/envelope.hpp"
#include "danelaw/tlsrpt/session.hpp"

#include <optional>

namespace danelaw::delivery {

// Not TLS reports on their way (TR-018), nor what waives TLS by its header (TR-019); REQUIRETLS voids that header.
bool counts_for_reports(const message::Envelope& envelope);

// `host`: null when none was found at all. `where`: empty when no connection was made.
tlsrpt::Session tls_session(const Route& route, const dane::HostPlan* host, const policy::ReportedResult& counted,
                            const Whereabouts& where);

// The domain announces an MTA-STS policy that could not be had: one failure an attempt (TR-015).
std::optional<tlsrpt::Session> sts_failure(const Route& route);

} // namespace danelaw::delivery
