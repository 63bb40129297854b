// Opens a conversation as the host's plan demands, step by step; every step may fail, none is skipped.
#include "danelaw/delivery/channel.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace danelaw::delivery {
namespace {

using Stage = ChannelFailure::Stage;
using Opened = std::expected<Channel, ChannelFailure>;
using policy::Then;
using policy::TlsEvent;

Reason reason_of(const Error& error, Stage stage) {
    if (error.code == Errc::timeout) return Reason::timeout;
    if (error.code == Errc::tls) return Reason::tls_handshake_failed; // an alert after TLS 1.3's last flight (DANE-117)
    if (error.code == Errc::parse || error.code == Errc::limit) return Reason::smtp_reply;
    return stage == Stage::connect ? Reason::connect_failed : Reason::connection_lost;
}

ChannelFailure failed(Stage stage, const Error& error) {
    ChannelFailure out;
    out.stage = stage;
    out.reason = reason_of(error, stage);
    out.text = fmt::format("{}: {}", word(stage), printable(error.detail));
    return out;
}

ChannelFailure refused(Stage stage, Reason reason, const smtp::Reply& reply) {
    ChannelFailure out;
    out.stage = stage;
    out.reason = reason;
    out.code = reply.code;
    out.enhanced = reply.enhanced();
    out.text = fmt::format("{} {}", reply.code, reply.text());
    return out;
}

} // namespace

std::string_view word(Stage s) {
    switch (s) {
    case Stage::connect: return "connect";
    case Stage::greeting: return "greeting";
    case Stage::ehlo: return "EHLO";
    case Stage::starttls: return "STARTTLS";
    case Stage::handshake: return "TLS handshake";
    case Stage::verify: return "TLS verification";
    case Stage::ehlo_after_tls: return "EHLO after STARTTLS";
    }
    return "?";
}

dane::HostFailure host_failure(const dane::NextHop& hop, const dane::HostPlan& host, const ChannelFailure& failure) {
    using Demand = dane::HostFailure::Demand;
    dane::HostFailure out;
    out.host = host.name;
    out.reason = failure.reason;
    out.text = failure.text;
    out.permanent = failure.permanent && !hop.configured; // SC-092: the operator's relay is the operator's to mend
    if (failure.permanent && hop.configured) out.detail = "3.5";
    out.code = failure.code;
    out.enhanced = failure.enhanced;
    out.demand = host.requirement == dane::Requirement::may ? Demand::opportunistic : Demand::policy;
    return out;
}

Channel::Channel(net::Buffered io, dane::HostPlan host, Endpoint endpoint)
    : io_(std::move(io)), host_(std::move(host)), endpoint_(endpoint) {}

Task<Result<smtp::Reply>> Channel::read_reply(net::Deadline deadline) {
    smtp::ReplyParser parser;
    for (;;) {
        auto line = co_await io_.read_line(limits::reply_line, net::Buffered::LineEnd::lf_tolerated, deadline);
        if (!line) {
            io_.stream().close();
            co_return fail(line.error());
        }
        switch (parser.feed(*line)) {
        case smtp::ReplyParser::Step::more: break;
        case smtp::ReplyParser::Step::done: co_return parser.take();
        case smtp::ReplyParser::Step::error:
            io_.stream().close();
            co_return fail(Errc::parse, "not an SMTP reply: " + parser.problem());
        }
    }
}

Task<Result<void>> Channel::write(std::string_view bytes, net::Deadline deadline) {
    return io_.write(bytes, deadline);
}

Task<Result<smtp::Reply>> Channel::command(std::string line, Millis timeout) {
    const auto deadline = net::deadline_after(timeout);
    auto written = co_await write(line, deadline);
    if (!written) co_return fail(written.error());
    co_return co_await read_reply(deadline);
}

Task<void> Channel::quit() {
    if (!io_.stream().is_open()) co_return;
    constexpr Millis patience = std::chrono::seconds(2);
    auto reply = co_await command("QUIT\r\n", patience);
    if (reply && io_.stream().is_open()) co_await io_.stream().close_gently(net::deadline_after(Millis{200}));
    io_.stream().close();
}

std::string identity_of(const dane::HostPlan& host, const Endpoint& endpoint, const ChannelRules& rules) {
    std::string out = fmt::format("{}|{}|{}|{}|{}", endpoint.text(), word(host.requirement), host.sni,
                                  host.min_protocol, host.ca_file);
    using enum dane::Requirement;
    if (host.requirement == pkix || host.requirement == mta_sts) out += "|" + host.name.text(); // that was verified
    for (const auto& source : rules.source_addresses) out += "|" + source.text();
    auto records = host.records;
    std::sort(records.begin(), records.end());
    for (const auto& record : records) out += "|" + record.text();
    return out;
}

bool accepts(const dane::HostPlan& host, const tls::Matched& matched) {
    if (matched.record.usage != 2) return true; // no name counted (DANE-081)
    const auto& names = host.reference_names;
    return std::find(names.begin(), names.end(), matched.name) != names.end();
}

bool may_use(const Channel& channel, const dane::HostPlan& host) {
    return !channel.tls || !channel.tls->matched || accepts(host, *channel.tls->matched);
}

// The steps of opening; a class only so that they share what they open.
class Opener {
  public:
    Opener(tls::Client& tls, dane::HostPlan host, Endpoint endpoint, ChannelRules rules)
        : tls_(tls), host_(std::move(host)), endpoint_(endpoint), rules_(std::move(rules)) {}

    Task<Opened> open() {
        std::optional<IpAddress> source;
        for (const auto& candidate : rules_.source_addresses)
            if (!source && candidate.v6 == endpoint_.address.v6) source = candidate; // SC-013: only for its family
        auto stream = co_await net::connect(endpoint_, source, net::deadline_after(rules_.connect_timeout));
        if (!stream) co_return std::unexpected(failed(Stage::connect, stream.error()));
        const auto local = stream->local();
        channel_.emplace(net::Buffered(std::move(*stream)), host_, endpoint_);

        auto failure = co_await greet();
        if (!failure) failure = co_await secure();
        if (failure) {
            failure->starttls_offered = channel_->starttls_offered;
            failure->finding = channel_->finding;
            failure->where = {local, endpoint_, peer_name_};
            co_await channel_->quit();
            co_return std::unexpected(std::move(*failure));
        }
        co_return std::move(*channel_);
    }

  private:
    using Failure = std::optional<ChannelFailure>;

    // In clear text, towards a host that policy holds to TLS, it may be the word of whoever sits on the path. He can
    // keep the mail waiting, as by breaking every handshake, but must not end it (DANE-A10).
    bool said_by_anybody() const { return !opportunistic() && !channel_->tls; }
    bool opportunistic() const {
        return host_.requirement == dane::Requirement::none || host_.requirement == dane::Requirement::may;
    }

    // Waits for the whole greeting before speaking (SC-020), then says who we are.
    Task<Failure> greet() {
        auto greeting = co_await channel_->read_reply(net::deadline_after(rules_.command_timeout));
        if (!greeting) co_return failed(Stage::greeting, greeting.error());
        const auto verdict = policy::on_reply(policy::Stage::greeting, *greeting);
        if (verdict.then != Then::go_on) {
            auto failure = refused(Stage::greeting, Reason::smtp_reply, *greeting);
            failure.permanent = verdict.final_everywhere && !said_by_anybody(); // D-14
            co_return failure;
        }
        greeted_ = smtp::helo(*greeting).peer_name;
        co_return co_await hello(Stage::ehlo);
    }

    Task<Failure> hello(Stage stage) {
        auto reply = co_await channel_->command("EHLO " + rules_.hostname + "\r\n", rules_.command_timeout);
        if (!reply) co_return no_hello(stage, reply.error());
        const auto verdict = policy::on_reply(policy::Stage::ehlo, *reply);
        if (verdict.then == Then::go_on) {
            channel_->offered = smtp::capabilities(*reply);
            co_return own_name(*reply);
        }
        // In TLS it knew EHLO a moment ago, so that HELO is no way out.
        if (verdict.then != Then::try_helo || stage == Stage::ehlo_after_tls)
            co_return refused(stage, Reason::smtp_reply, *reply);
        auto helo = co_await channel_->command("HELO " + rules_.hostname + "\r\n", rules_.command_timeout);
        if (!helo) co_return no_hello(stage, helo.error());
        if (policy::on_reply(policy::Stage::helo, *helo).then != Then::go_on)
            co_return refused(stage, Reason::smtp_reply, *helo);
        channel_->offered = smtp::helo(*helo);
        co_return own_name(*helo);
    }

    // Silence after a handshake that looked finished: with TLS 1.3 the server may have refused it meanwhile (DANE-117).
    Failure no_hello(Stage stage, const Error& error) {
        if (stage == Stage::ehlo_after_tls) {
            const auto outcome = tls_.failed_handshake(error, host_);
            channel_->finding = policy::TlsFinding{TlsEvent::broken, outcome.reason, outcome.failure_code, {}};
        }
        return failed(stage, error);
    }

    // A peer that calls itself by our name on port 25 is ourselves (SC-008).
    Failure own_name(const smtp::Reply& reply) {
        peer_name_ = channel_->offered.peer_name;
        const bool greeted = opportunistic() && iequals(greeted_, rules_.hostname); // within TLS nobody greets again
        const bool ours = greeted || iequals(peer_name_, rules_.hostname);
        if (endpoint_.port != 25 || !ours) return std::nullopt;
        if (said_by_anybody()) return std::nullopt; // asked again within TLS
        auto failure = refused(Stage::ehlo, Reason::mail_loop, reply);
        failure.code = 0;
        failure.enhanced.clear();
        failure.text = "the host greets with our own name " + rules_.hostname + ": mail loops back to this relay";
        failure.permanent = true;
        return failure;
    }

    Task<Failure> secure() {
        channel_->starttls_offered = channel_->offered.starttls;
        if (host_.requirement == dane::Requirement::none) co_return std::nullopt;
        if (rules_.protection ==
            ChannelRules::Protection::clear_anew) { // asked again: a mistake here would be clear text
            const auto allowed = policy::after_tls(host_, TlsEvent::broken, 1);
            if (allowed == policy::TlsNext::clear_anew) co_return std::nullopt;
            co_return not_offered("clear text is not allowed here");
        }
        if (!channel_->offered.starttls)
            co_return without_tls(TlsEvent::not_offered,
                                  not_offered("the host does not offer STARTTLS, which its policy demands"));
        auto reply = co_await channel_->command("STARTTLS\r\n", rules_.command_timeout);
        if (!reply) co_return failed(Stage::starttls, reply.error());
        const auto verdict = policy::on_reply(policy::Stage::starttls, *reply);
        if (verdict.then == Then::go_on) co_return co_await handshake();
        auto failure = without_tls(TlsEvent::refused, refused(Stage::starttls, Reason::starttls_not_supported, *reply));
        if (!failure && verdict.then == Then::next_host) // 421: whatever the policy, the session is over (SC-031)
            failure = refused(Stage::starttls, Reason::smtp_reply, *reply);
        co_return failure;
    }

    // No TLS over this connection: does it go on in clear text (D-31, RFC 3207 4)?
    Failure without_tls(TlsEvent event, ChannelFailure failure) {
        std::string code = failure.code == 0 ? "" : fmt::format("starttls-{}", failure.code);
        channel_->finding = policy::TlsFinding{event, Reason::starttls_not_supported, std::move(code), {}};
        if (policy::after_tls(host_, event, 0) == policy::TlsNext::clear_here) return std::nullopt;
        return failure;
    }

    static ChannelFailure not_offered(std::string text) {
        ChannelFailure failure;
        failure.stage = Stage::starttls;
        failure.reason = Reason::starttls_not_supported;
        failure.text = std::move(text);
        return failure;
    }

    Task<Failure> handshake() {
        auto ssl = tls_.prepare(host_, rules_.keys);
        if (!ssl) { // DANE-074: the library failing is a failure of the host, never a weaker level; and none of its own
            auto failure = failed(Stage::handshake, ssl.error());
            failure.reason = Reason::tls_handshake_failed;
            co_return failure;
        }
        channel_->offered = {}; // everything learnt in clear text is void (SC-025, DANE-116)
        auto done = co_await channel_->io_.start_tls(*ssl, net::Stream::Side::client,
                                                     net::deadline_after(rules_.handshake_timeout));
        if (!done) {
            auto outcome = tls_.failed_handshake(done.error(), host_);
            channel_->finding = policy::TlsFinding{TlsEvent::broken, outcome.reason, outcome.failure_code, {}};
            auto failure = failed(Stage::handshake, done.error());
            failure.reason = outcome.reason;
            failure.text = outcome.text;
            failure.tls = std::move(outcome);
            channel_->close();
            co_return failure;
        }
        auto outcome = tls_.judge(channel_->io_.stream().ssl(), host_);
        const auto event = outcome.passed ? TlsEvent::passed : TlsEvent::unverified;
        channel_->finding = policy::TlsFinding{
            event, outcome.reason, outcome.passed ? outcome.web_pki_code : outcome.failure_code, outcome.web_pki};
        if (policy::after_tls(host_, event, 0) != policy::TlsNext::send) {
            ChannelFailure failure;
            failure.stage = Stage::verify;
            failure.reason = outcome.reason;
            failure.text = outcome.text;
            failure.tls = std::move(outcome);
            co_return failure; // QUIT and close: SC-027
        }
        channel_->level = outcome.level;
        channel_->tls = std::move(outcome);
        co_return co_await hello(Stage::ehlo_after_tls);
    }

    tls::Client& tls_;
    dane::HostPlan host_;
    Endpoint endpoint_;
    ChannelRules rules_;
    std::optional<Channel> channel_;
    std::string greeted_;   // the first word of the greeting; heard in clear text
    std::string peer_name_; // of the last reply to EHLO or HELO
};

Task<Opened> open_channel(tls::Client& tls, dane::HostPlan host, Endpoint endpoint, ChannelRules rules) {
    DANELAW_CHECK(host.requirement != dane::Requirement::skip);
    Opener opener(tls, std::move(host), endpoint, std::move(rules));
    co_return co_await opener.open();
}

} // namespace danelaw::delivery
