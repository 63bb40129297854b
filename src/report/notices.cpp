// Notices for what an attempt led to: failed, delayed, relayed; one message a kind, its recipients together (DQ-025).
#include "danelaw/report/notices.hpp"

#include "danelaw/base/id.hpp"
#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/message/header_scan.hpp"
#include "danelaw/smtp/address.hpp"

#include <boost/json/array.hpp>

namespace danelaw::report {
namespace {

using message::Action;
using message::NoticeRecipient;
using message::RecipientState;

// DQ-062: that many notices at once to one sender, then one every so often; none is dropped.
constexpr int burst = 100;
constexpr Millis spacing = std::chrono::seconds(10);
constexpr Millis longest_wait = std::chrono::hours(24); // also when the clock was wrong at an earlier one

std::optional<message::Event> event_of(const store::RecipientUpdate& update, const message::Recipient& recipient,
                                       const NoticeSettings& settings, Millis age) {
    using message::Event;
    switch (update.state) {
    case RecipientState::delivered:
        return update.outcome->dsn_passed_on ? Event::taken_by_dsn_server : Event::taken_by_plain_server;
    case RecipientState::bounced:
    case RecipientState::expired: return Event::failed;
    case RecipientState::queued:
        if (!settings.delay_warning || recipient.delay_notified) return std::nullopt;
        if (age < *settings.delay_warning) return std::nullopt;
        return Event::late;
    case RecipientState::deleted:
    case RecipientState::held: return std::nullopt;
    }
    return std::nullopt;
}

std::string event_word(Action action) {
    switch (action) {
    case Action::failed: return "bounce-sent";
    case Action::delayed: return "delay-sent";
    case Action::relayed:
    case Action::delivered: return "relay-notice-sent";
    }
    return "?";
}

} // namespace

Time Pacer::slot(const std::string& sender, Time now) {
    const std::lock_guard lock(mutex_);
    constexpr std::size_t most = 10000;
    if (next_.size() > most) std::erase_if(next_, [now](const auto& entry) { return entry.second <= now; });
    auto& full = next_[sender];
    full = std::clamp(full, now, now + longest_wait) + spacing;
    const auto at = full - spacing * burst;
    return std::max(at, now);
}

NoticeMaker::NoticeMaker(store::Queue& queue, NoticeSettings settings, std::shared_ptr<const dkim::Keys> keys,
                         std::shared_ptr<Pacer> pacer)
    : queue_(queue), settings_(std::move(settings)), keys_(std::move(keys)), pacer_(std::move(pacer)) {}

Task<Notices> NoticeMaker::make(const store::Message& message, std::vector<store::RecipientUpdate>& updates, Time now,
                                Millis age) const {
    Notices out;
    const auto& envelope = message.envelope;
    std::map<Action, std::vector<NoticeRecipient>> groups;
    std::vector<NoticeRecipient> lost; // of a message without sender: nobody else can be told (DQ-022)
    for (auto& update : updates) {
        if (!update.outcome) continue;
        const auto* found = message.recipient(update.number);
        if (found == nullptr) continue;
        const auto& recipient = *found;
        const auto event = event_of(update, recipient, settings_, age);
        if (!event) continue;
        if (envelope.reverse_path.empty()) { // DQ-021, DQ-023: no notice about a notice
            if (*event == message::Event::failed) lost.push_back({recipient, *update.outcome});
            continue;
        }
        const auto action = message::notice_for(*event, recipient.notify);
        if (!action) continue;
        if (*action == Action::delayed) update.delay_notified = true; // once a recipient (DQ-026)
        groups[*action].push_back({recipient, *update.outcome});
    }
    for (auto& [action, recipients] : groups) co_await add(out, message, action, std::move(recipients), now);
    if (!lost.empty()) add_for_postmaster(out, message, std::move(lost), now);
    co_return out;
}

// The message's octets as far as the notice returns them.
Task<std::string> NoticeMaker::returned(const message::Envelope& envelope, message::Portion portion,
                                        bool& unavailable) const {
    const std::size_t most = portion == message::Portion::full ? envelope.content.size : limits::header_section;
    std::string out;
    for (std::uint32_t sequence = 0; out.size() < most; ++sequence) {
        auto piece = co_await queue_.read(envelope.id, sequence);
        if (!piece) {
            unavailable = true;
            co_return std::string();
        }
        if (piece->empty()) break;
        out += *piece;
        if (portion == message::Portion::header && out.find("\r\n\r\n") != std::string::npos) break;
    }
    if (portion == message::Portion::full) co_return out;
    // What was read goes on into the body, which must not be returned, or ends within a field (DQ-052, H123, RFC 8689
    // 5).
    co_return message::header_section(out, most);
}

Task<void> NoticeMaker::add(Notices& out, const store::Message& message, Action action,
                            std::vector<NoticeRecipient> recipients, Time now) const {
    message::NoticeFacts facts;
    facts.id = new_queue_id(now);
    facts.hostname = settings_.hostname;
    facts.now = now;
    facts.action = action;
    facts.original = message.envelope;
    facts.recipients = std::move(recipients);
    if (action == Action::delayed) facts.will_retry_until = message.envelope.received_at + settings_.lifetime;
    facts.portion = message::portion_for(message.envelope, action, limits::dsn_returned);
    facts.returned = co_await returned(message.envelope, facts.portion, facts.returned_unavailable);

    Sent sent;
    sent.event = event_word(action);
    sent.notice_id = facts.id;
    sent.to = message.envelope.reverse_path;
    for (const auto& one : facts.recipients) sent.recipients.push_back(one.recipient.address);
    sent.reason = facts.recipients.front().outcome.reason;
    out.messages.push_back(
        envelop(message::compose(facts), facts.id, message.envelope.reverse_path, message.envelope, now));
    out.sent.push_back(std::move(sent));
}

// DQ-022: told to the postmaster unless it is the postmaster that can't be reached; then the log alone says it.
void NoticeMaker::add_for_postmaster(Notices& out, const store::Message& message,
                                     std::vector<NoticeRecipient> recipients, Time now) const {
    Sent sent;
    sent.to = settings_.postmaster;
    bool loops = settings_.postmaster.empty();
    for (const auto& one : recipients) {
        sent.recipients.push_back(one.recipient.address);
        loops = loops || iequals(one.recipient.address, settings_.postmaster);
    }
    sent.reason = recipients.front().outcome.reason;
    const bool report = message.envelope.origin == message::Origin::tls_report; // TR-046: dropped, and logged
    if (loops || report) {
        sent.event = "report-undeliverable";
        out.sent.push_back(std::move(sent));
        return;
    }
    message::NoticeFacts facts;
    facts.id = new_queue_id(now);
    facts.hostname = settings_.hostname;
    facts.now = now;
    facts.original = message.envelope;
    facts.recipients = std::move(recipients);
    facts.returned_unavailable = true;
    sent.event = "double-bounce";
    sent.notice_id = facts.id;
    out.messages.push_back(envelop(message::compose_for_postmaster(facts, settings_.postmaster), facts.id,
                                   settings_.postmaster, message.envelope, now));
    out.sent.push_back(std::move(sent));
}

// DQ-028, DQ-029: from the null sender, to the envelope's sender, obeying the destination's policies like any mail
// (DQ-061).
store::NewMessage NoticeMaker::envelop(message::Notice notice, std::string id, std::string to,
                                       const message::Envelope& original, Time now) const {
    store::NewMessage out;
    auto& envelope = out.message.envelope;
    envelope.id = std::move(id);
    envelope.origin = message::Origin::delivery_report;
    envelope.received_at = now;
    envelope.smtputf8 = notice.smtputf8;
    if (keys_ && !keys_->empty()) { // DQ-057; a notice goes out unsigned rather than not at all
        auto signature = dkim::sign(keys_, notice.content);
        if (signature) notice.content.insert(0, *signature);
    }
    envelope.requiretls = original.requiretls; // DQ-030; a null sender's tag is a wish (SC-126)
    message::HeaderScan scan;
    scan.feed(notice.content);
    scan.finish();
    envelope.content = scan.facts();
    envelope.body = envelope.content.eight_bit_body ? message::Body::eight_bit_mime : message::Body::seven_bit;
    message::Recipient recipient;
    recipient.address = std::move(to);
    recipient.domain = smtp::lane_of(recipient.address);
    recipient.notify.never = true;
    recipient.next_attempt = pacer_ ? pacer_->slot(recipient.address, now) : now;
    out.message.recipients.push_back(std::move(recipient));
    out.content = std::move(notice.content);
    return out;
}

void announce(log::Log& log, const store::Message& message, const Notices& notices) {
    for (const auto& sent : notices.sent) {
        boost::json::array recipients;
        for (const auto& address : sent.recipients) recipients.emplace_back(address);
        log.event(sent.notice_id.empty() ? log::Level::warn : log::Level::info, sent.event,
                  {{"id", message.envelope.id},
                   {"notice", sent.notice_id},
                   {"to", sent.to},
                   {"recipients", std::move(recipients)},
                   {"reason", word(sent.reason)}});
    }
}

} // namespace danelaw::report
