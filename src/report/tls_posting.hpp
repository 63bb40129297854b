// One report to one https place, and one as a message for the queue. Private to src/report.
#pragma once

#include "danelaw/dkim/signer.hpp"
#include "danelaw/report/tls_reporter.hpp"
#include "danelaw/tlsrpt/record.hpp"
#include "danelaw/tlsrpt/report.hpp"

namespace danelaw::report {

// A finished report.
struct TlsReport {
    tlsrpt::Submitter who;
    std::string day, domain;
    boost::json::object document;
    std::string compressed;
};

// TR-041: 2xx is delivered. errc names why it is not.
boost::asio::awaitable<Result<void>> post(const TlsReporter::Parts& parts, const TlsReport& report,
                                          tlsrpt::Destination to);

// TR-042…TR-045: signed; errc::config when mail can't be sent with these settings.
Result<store::NewMessage> mail(const TlsReporter::Parts& parts, const TlsReport& report, const tlsrpt::Destination& to,
                               std::string id);

} // namespace danelaw::report
