// The two ways out for a report.
#include "tls_posting.hpp"

#include "danelaw/http/client.hpp"
#include "danelaw/message/header_scan.hpp"
#include "danelaw/message/received.hpp"
#include "danelaw/smtp/address.hpp"

#include <fmt/format.h>

namespace danelaw::report {

template <class T> using Task = boost::asio::awaitable<T>;

namespace {

constexpr Millis whole_post = std::chrono::seconds(60);
constexpr int most_redirects = 3;

struct Answer {
    Result<http::Response> response = fail(Errc::dns, "no address");
    http::Channel channel = http::Channel::web_pki;
};

// Strict first; RFC 8460 3 lets a report go to whoever answers, as it must get out when certificates are what is
// broken.
Task<Answer> post_once(const TlsReporter::Parts& parts, const TlsReport& report, const tlsrpt::Destination& to,
                       net::Deadline deadline) {
    Answer out;
    const auto name = dns::Name::from(to.host);
    if (!name) co_return out;
    const auto found = co_await resolver::addresses_of(parts.resolver, *name);
    if (found.addresses.empty()) {
        out.response = fail(Errc::dns, found.why);
        co_return out;
    }
    std::vector<Endpoint> endpoints;
    for (const auto& address : found.addresses) endpoints.emplace_back(address, to.port);
    http::ClientOptions options;
    options.host = to.host;
    options.tls = &parts.tls;
    options.ca_file = parts.settings()->tls.ca_file;
    options.deadline = deadline;
    http::Request request;
    request.method = "POST";
    request.target = to.target;
    request.headers.push_back({"Content-Type", "application/tlsrpt+gzip"});
    request.body = report.compressed;
    for (const auto channel : {http::Channel::web_pki, http::Channel::tls_unchecked}) {
        options.channel = out.channel = channel;
        out.response = co_await http::fetch_from(endpoints, options, request);
        if (out.response || out.response.error().code != Errc::tls) break;
    }
    co_return out;
}

} // namespace

Task<Result<void>> post(const TlsReporter::Parts& parts, const TlsReport& report, tlsrpt::Destination to) {
    const auto deadline = net::deadline_after(whole_post);
    for (int hops = 0; hops <= most_redirects; ++hops) {
        const auto answer = co_await post_once(parts, report, to, deadline);
        if (!answer.response) co_return fail(answer.response.error());
        if (answer.channel == http::Channel::tls_unchecked)
            parts.log.event(log::Level::warn, "tls-report",
                            {{"domain", report.domain},
                             {"to", to.text()},
                             {"text", "the certificate is not good for " + to.host + "; sent all the same"}});
        const int status = answer.response->status;
        if (status >= 200 && status < 300) co_return Result<void>{};
        const auto location = http::find(answer.response->headers, "Location");
        if ((status != 307 && status != 308) || !location)
            co_return fail(Errc::unavailable, fmt::format("{} answered {}", to.host, status));
        const bool same_host = location->starts_with('/');
        const auto prefix = same_host ? fmt::format("https://{}:{}", to.host, to.port) : std::string();
        auto next = tlsrpt::destination(prefix + std::string(*location)); // what would end a request line is none
        if (!next || next->kind != tlsrpt::Destination::Kind::https)
            co_return fail(Errc::parse, to.host + " sends us to a place that is not https");
        to = std::move(*next);
    }
    co_return fail(Errc::limit, to.host + ": too many redirections");
}

Result<store::NewMessage> mail(const TlsReporter::Parts& parts, const TlsReport& report, const tlsrpt::Destination& to,
                               std::string id) {
    const auto settings = parts.settings();
    const auto keys = parts.keys();
    if (settings->tlsrpt.from.empty() || !keys || keys->empty())
        return fail(Errc::config, "reports by mail need tlsrpt.from and tlsrpt.dkim");
    tlsrpt::MailFacts facts;
    facts.from = settings->tlsrpt.from;
    facts.to = to.address;
    facts.message_id = message::message_id(id, settings->hostname);
    facts.now = parts.clock.now();
    facts.day = report.day;
    facts.domain = report.domain;
    facts.compressed = report.compressed;
    std::string content = tlsrpt::compose_mail(report.who, facts);
    auto signature = dkim::sign(keys, content); // TR-044
    if (!signature) return fail(signature.error());
    if (signature->empty()) return fail(Errc::config, "tlsrpt.dkim is not for the domain of tlsrpt.from");

    store::NewMessage out;
    out.content = *signature + content;
    auto& envelope = out.message.envelope;
    envelope.id = std::move(id);
    envelope.reverse_path = settings->tlsrpt.from;
    envelope.origin = message::Origin::tls_report;
    envelope.received_at = facts.now;
    message::HeaderScan scan;
    scan.feed(out.content);
    scan.finish();
    envelope.content = scan.facts();
    message::Recipient recipient;
    recipient.address = to.address;
    recipient.domain = smtp::lane_of(recipient.address);
    recipient.notify.never = true; // TR-046: nobody reads bounces of reports
    recipient.next_attempt = facts.now;
    out.message.recipients.push_back(std::move(recipient));
    return out;
}

} // namespace danelaw::report
