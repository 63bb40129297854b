// One HTTP request over a new connection.
#include "danelaw/http/client.hpp"

#include "codec_priv.hpp"
#include "danelaw/tls/client.hpp"

namespace danelaw::http {

namespace {

// The tls module's web PKI check is the one for MX hosts; a policy host is held to the same.
Result<dane::HostPlan> tls_plan(const ClientOptions& options) {
    auto name = dns::Name::from(options.host);
    if (!name || name->empty()) return fail(Errc::parse, "not a host name: " + options.host);
    dane::HostPlan plan;
    plan.sni = name->text();
    plan.name = std::move(*name);
    plan.requirement = options.channel == Channel::web_pki ? dane::Requirement::pkix : dane::Requirement::encrypt;
    plan.ca_file = options.ca_file;
    return plan;
}

net::Task<Result<void>> secure(net::Stream& stream, const ClientOptions& options) {
    if (options.tls == nullptr) co_return fail(Errc::tls, "no TLS client was given");
    auto plan = tls_plan(options);
    if (!plan) co_return fail(plan.error());
    auto ssl = options.tls->prepare(*plan);
    if (!ssl) co_return fail(ssl.error());
    auto shaken = co_await stream.start_tls(*ssl, net::Stream::Side::client, options.deadline);
    if (!shaken) {
        const bool late = shaken.error().code == Errc::timeout || shaken.error().code == Errc::cancelled;
        co_return fail(late ? shaken.error().code : Errc::tls, shaken.error().detail);
    }
    const tls::Outcome outcome = options.tls->judge(stream.ssl(), *plan);
    if (!outcome.passed) co_return fail(Errc::tls, outcome.text);
    co_return Result<void>{};
}

net::Task<Result<net::Stream>> open(const ClientOptions& options) {
    if (const auto* socket = std::get_if<UnixPath>(&options.to))
        co_return co_await net::connect_unix(socket->path, options.deadline);
    const Endpoint endpoint = std::get<Endpoint>(options.to);
    co_return co_await net::connect(endpoint, std::nullopt, options.deadline);
}

} // namespace

net::Task<Result<Response>> fetch(ClientOptions options, Request request) {
    auto stream = co_await open(options);
    if (!stream) co_return fail(stream.error());
    if (options.channel != Channel::plain) {
        auto secured = co_await secure(*stream, options);
        if (!secured) co_return fail(secured.error());
    }
    const std::string octets = serialize(request, options.host);
    auto written = co_await stream->write(octets, options.deadline);
    if (!written) co_return fail(written.error());
    auto response = co_await read_response(*stream, request.method == "HEAD", options.max_body, options.deadline);
    stream->close();
    co_return response;
}

net::Task<Result<Response>> fetch_from(std::vector<Endpoint> addresses, ClientOptions options, Request request) {
    Result<Response> response = fail(Errc::dns, options.host + " has no address");
    const auto end = options.deadline;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const auto now = std::chrono::steady_clock::now();
        options.to = addresses[i];
        options.deadline = now + (end - now) / static_cast<int>(addresses.size() - i);
        response = co_await fetch(options, request);
        if (response) break;
    }
    co_return response;
}

} // namespace danelaw::http
