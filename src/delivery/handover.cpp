// All open recipients over one channel, transaction by transaction, and what each of them is told.
#include "converted_content.hpp"
#include "delivery.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/smtp/address.hpp"

#include <fmt/format.h>

namespace danelaw::delivery {
namespace {

// The message's own nature is final; a store that can't be read now is not.
dane::HostFailure not_convertible(const dane::HostPlan& host, const Error& why) {
    dane::HostFailure out;
    out.host = host.name;
    out.reason = Reason::eight_bit_mime_unsupported;
    out.text = "the host does not take 8-bit mail, and this message can't be converted: " + why.detail;
    out.permanent = why.code == Errc::parse;
    return out;
}

} // namespace

std::vector<const message::Recipient*> Delivery::next_batch(const Channel& channel) const {
    std::size_t most = limits::recipients_per_transaction;
    if (channel.offered.limit_rcptmax && *channel.offered.limit_rcptmax > 0)
        most = std::min<std::size_t>(most, *channel.offered.limit_rcptmax);
    std::vector<const message::Recipient*> out, demanding;
    for (const auto number : pending_) {
        if (temporary_.contains(number) && answered_here_.contains(number)) continue;
        const auto* recipient = message_.recipient(number);
        const bool more = !channel.offered.smtputf8 && smtp::needs_smtputf8(recipient->address);
        (more ? demanding : out).push_back(recipient);
    }
    // Who needs more than the host offers must not cost the others their delivery (SC-077): last, and by themselves.
    if (out.empty()) out = std::move(demanding);
    if (out.size() > most) out.resize(most);
    return out;
}

// All pending recipients over one channel, batch by batch. nullopt: once more over a new channel, since this one was
// stale and nothing was said, its server knows no BDAT, or takes no further message on it.
Task<std::optional<Delivery::Next>> Delivery::hand_over(Channel channel, const dane::HostPlan& host, Attempt attempt) {
    attempt.tls = channel.tls;
    attempt.level = channel.level;
    for (;;) {
        const auto batch = next_batch(channel);
        if (batch.empty()) break;
        if (channel.used_up()) {
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return std::nullopt;
        }
        co_await record_delivered();
        auto needs = needs_of(message_.envelope, batch);
        auto content = co_await prepare(channel, host, needs);
        if (!content) {
            auto& unfit = content.error();
            attempt.reason = unfit.reason;
            attempt.text = unfit.text;
            attempt.enhanced = status_of(unfit.reason, Verdict::deferred, unfit.detail);
            failures_.push_back(std::move(unfit));
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return Next::host;
        }
        if (!co_await still_ours(Patience::none)) {
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            pending_.clear();
            co_return Next::done;
        }
        const TransactionRules limits{settings_->delivery.command_timeout, settings_->delivery.data_timeout};
        auto result = co_await transact(channel, message_.envelope, batch, needs, **content, limits);
        if (result.stale_channel) {
            if (attempt.delivered + attempt.deferred + attempt.bounced > 0) note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return std::nullopt;
        }
        answered_ = true;
        take_results(result, channel, host, attempt);
        if (result.chunking_doubt) agent_.pool.doubt_chunking(channel.endpoint(), *result.chunking_doubt);
        if (result.chunking_doubt == policy::ChunkingDoubt::refused) {
            answered_here_.clear();
            attempt.text += "; trying again by DATA over another connection";
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), Pool::Mood::good);
            co_return std::nullopt;
        }
        if (!result.channel_usable) {
            const bool more = !next_batch(channel).empty();
            const bool left = more || unanswered_;
            const auto mood = result.busy ? Pool::Mood::busy : Pool::Mood::good;
            note(std::move(attempt));
            agent_.pool.give_back(std::move(channel), mood);
            if (more && !unanswered_ && !result.busy) co_return std::nullopt;
            if (more) not_all_asked(host);
            co_return pending_.empty() ? Next::done : left ? Next::address : Next::host;
        }
    }
    note(std::move(attempt));
    agent_.pool.give_back(std::move(channel), busy_ ? Pool::Mood::busy : Pool::Mood::good);
    co_return pending_.empty() ? Next::done : Next::host;
}

// A definite no of this server to this message: another host may have what it lacks (SC-071, SC-077, SC-120).
// `host` is of this message's plan: another message's plan may have opened the channel.
std::optional<dane::HostFailure> Delivery::cannot_take(const Channel& channel, const dane::HostPlan& host,
                                                       const Needs& needs) const {
    const auto& offered = channel.offered;
    dane::HostFailure out;
    out.host = host.name;
    out.permanent = true;
    const bool authenticated = channel.level == Level::dane_ee || channel.level == Level::dane_ta ||
                               channel.level == Level::mta_sts || channel.level == Level::pkix;
    if (needs.requiretls) {
        out.reason = Reason::requiretls_unsupported;
        if (!host.known_securely || !authenticated) {
            out.detail = "7.10";
            out.text = "the message demands REQUIRETLS, and this host is not known securely or not authenticated";
            return out;
        }
        if (!offered.requiretls) {
            out.text = "the message demands REQUIRETLS, which the host does not offer";
            return out;
        }
    }
    if (needs.smtputf8 && !offered.smtputf8) {
        out.reason = Reason::smtputf8_unsupported;
        out.text = "the message needs SMTPUTF8 (addresses or header in UTF-8), which the host does not offer";
        return out;
    }
    if (offered.size > 0 && needs.size > offered.size) {
        out.reason = Reason::message_too_large;
        out.text = fmt::format("the message has {} octets, the host takes at most {}", needs.size, offered.size);
        return out;
    }
    return std::nullopt;
}

// The content in the form in which this server can have it; or why it can't.
Task<std::expected<std::unique_ptr<Content>, dane::HostFailure>>
Delivery::prepare(const Channel& channel, const dane::HostPlan& host, Needs& needs) {
    using message::Attached;
    const bool notice = message_.envelope.origin == message::Origin::delivery_report;
    auto unfit = cannot_take(channel, host, needs);
    const bool shorter = unfit && notice && unfit->reason == Reason::message_too_large; // DQ-024
    if (unfit && !shorter) co_return std::unexpected(std::move(*unfit));
    const auto stored = needs.size;
    const auto attached = shorter ? Attached::header : notice ? Attached::header_if_eight_bit : Attached::converted;
    auto content = co_await content_for(needs, channel, attached);
    if (!content) co_return std::unexpected(shorter ? std::move(*unfit) : not_convertible(host, content.error()));
    if (needs.size != stored)
        unfit = cannot_take(channel, host, needs); // converted, and perhaps too large now (SC-071)
    if (unfit) co_return std::unexpected(std::move(*unfit));
    co_return std::move(*content);
}

// The content as this server can take it; errc::parse when it can't be converted (SC-073, SC-076).
Task<Result<std::unique_ptr<Content>>> Delivery::content_for(Needs& needs, const Channel& channel,
                                                             message::Attached attached) {
    using smtp::Body;
    const bool fits = needs.body == Body::seven_bit ||
                      (needs.body == Body::eight_bit_mime && channel.offered.eight_bit_mime) ||
                      (needs.body == Body::binary_mime && channel.offered.binarymime);
    auto stored = std::make_unique<StoredContent>(agent_.parts.queue, agent_.parts.log, message_.envelope.id);
    if (fits && attached != message::Attached::header) co_return stored;
    if (message_.envelope.content.signed_content && attached == message::Attached::converted)
        co_return fail(Errc::parse, "it is signed, and converting it would break the signature");
    auto converted = co_await ConvertedContent::of(std::move(stored), message_.envelope.content.size, attached);
    if (!converted) co_return fail(converted.error());
    needs.body = Body::seven_bit;
    needs.size = (*converted)->size();
    co_return std::move(*converted);
}

void Delivery::take_results(const TransactionResult& result, const Channel& channel, const dane::HostPlan& host,
                            Attempt& attempt) {
    attempt.possible_duplicate = attempt.possible_duplicate || result.possible_duplicate;
    busy_ = busy_ || result.busy;
    unanswered_ = false;
    if (result.possible_duplicate) ++agent_.counters.possible_duplicates;
    for (auto one : result.recipients) {
        if (route_.plan.next_hop.configured && policy::refuses_us(one.code)) { // SC-092
            one.verdict = Verdict::deferred;
            one.enhanced = "4.3.5";
            one.next_host_may_try = true;
        }
        message::Outcome outcome;
        outcome.verdict = one.verdict;
        outcome.reason = one.reason;
        outcome.host = host.shown();
        outcome.tls_level = channel.level;
        outcome.code = one.code;
        outcome.enhanced = one.enhanced;
        outcome.text = one.text;
        outcome.dsn_passed_on = one.verdict == Verdict::delivered && channel.offered.dsn;
        if (one.verdict == Verdict::deferred && one.next_host_may_try) {
            dane::HostFailure answer;
            answer.host = host.name;
            answer.reason = one.reason;
            answer.text = one.text;
            answers_[one.number] = std::move(answer);
            temporary_[one.number] = outcome;
        }
        if (one.next_transaction) continue; // SC-055: asked again over this very channel
        answered_here_.insert(one.number);
        attempt.take(one);
        if (one.verdict == Verdict::deferred && one.next_host_may_try) {
            if (one.code == 0) unanswered_ = true;
            continue;
        }
        const bool by_dane = channel.level == Level::dane_ee || channel.level == Level::dane_ta;
        if (!host.secured && by_dane) unsecured_dane_.insert(one.number); // DANE-028
        set_outcome(one.number, std::move(outcome));
    }
}

} // namespace danelaw::delivery
