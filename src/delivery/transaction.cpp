// A pipelined transaction: the batch to send, a fold over the replies, then the content and what answers it.
#include "danelaw/delivery/transaction.hpp"

#include "content_sender.hpp"

#include "danelaw/policy/verdict.hpp"
#include "danelaw/smtp/address.hpp"
#include "danelaw/smtp/command_out.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace danelaw::delivery {
namespace {

using policy::ContentWay;
using policy::Stage;
using policy::Then;

// Commands in flight stay below what every socket buffers, so that a server that answers at once and reads late can't
// make us wait for each other (SC-053).
constexpr std::size_t in_flight = 16 * 1024;

class Transaction {
  public:
    Transaction(Channel& channel, const message::Envelope& envelope, std::vector<const message::Recipient*> recipients,
                Needs needs, Content& content, TransactionRules rules)
        : channel_(channel), envelope_(envelope), recipients_(std::move(recipients)), needs_(needs), content_(content),
          rules_(rules), reused_(channel.messages > 0),
          way_(policy::content_way(channel.offered, needs.body, needs.size)), fates_(recipients_.size()) {}

    Task<TransactionResult> run() {
        compose();
        if (channel_.offered.pipelining)
            co_await exchange_pipelined();
        else
            co_await exchange_stepwise();
        fold_envelope();
        if (!lost_ && way_ == ContentWay::bdat && !accepted_.empty())
            co_await send_content();
        else if (!lost_ && data_ && policy::on_reply(Stage::data, *data_).then == Then::go_on)
            co_await send_content();
        else if (!lost_ && data_)
            apply_to_accepted(*data_, Stage::data);
        ++channel_.messages;
        co_await settle();
        co_return finish();
    }

  private:
    using Replies = std::vector<smtp::Reply>;

    // False: the session is over. What came before we speak may be the server's 421 or its end; any other reply would
    // be taken for that to the next command, and each further one for the one before (SC-052, SC-058).
    Task<bool> say(std::string_view commands) {
        if (channel_.quiet()) {
            auto written = co_await channel_.write(commands, net::deadline_after(rules_.command_timeout));
            if (!written) lost_ = written.error();
            co_return written.has_value();
        }
        if (co_await next_reply()) {
            lost_ = Error{Errc::parse, "a reply that answers nothing"};
            replies_.pop_back();
        }
        channel_.close();
        co_return false;
    }

    void compose() {
        smtp::MailFacts mail;
        mail.reverse_path = envelope_.reverse_path;
        mail.size = needs_.size;
        mail.body = needs_.body;
        mail.needs_smtputf8 = needs_.smtputf8;
        mail.requiretls = needs_.requiretls || (needs_.requiretls_wish && channel_.offered.requiretls);
        mail.ret = envelope_.ret;
        mail.ret_as_received = envelope_.ret_as_received;
        mail.envid = envelope_.envid;
        commands_.push_back(smtp::mail_command(mail, channel_.offered));
        for (const auto* recipient : recipients_) {
            smtp::RcptFacts rcpt;
            rcpt.address = recipient->address;
            rcpt.orcpt = recipient->orcpt;
            rcpt.notify = recipient->notify;
            rcpt.with_smtputf8 = needs_.smtputf8 && channel_.offered.smtputf8;
            commands_.push_back(smtp::rcpt_command(rcpt, channel_.offered));
        }
        if (way_ == ContentWay::data) commands_.push_back("DATA\r\n"); // never both in one transaction (SC-075)
    }

    Stage stage_of(std::size_t command) const {
        return command == 0 ? Stage::mail : command > recipients_.size() ? Stage::data : Stage::rcpt;
    }

    // One reply; false when the session is over (SC-031, SC-032).
    Task<bool> next_reply() {
        auto reply = co_await channel_.read_reply(net::deadline_after(rules_.command_timeout));
        if (!reply) {
            lost_ = reply.error();
            co_return false;
        }
        const bool over = policy::on_reply(stage_of(replies_.size()), *reply).session_over;
        replies_.push_back(std::move(*reply));
        if (over) {
            lost_ = Error{Errc::closed, "the server ended the session"};
            channel_.close();
        }
        co_return !over;
    }

    Task<void> exchange_pipelined() {
        std::size_t sent = 0;
        while (sent < commands_.size() && !lost_) {
            std::string batch;
            while (sent < commands_.size() && (batch.empty() || batch.size() + commands_[sent].size() <= in_flight))
                batch += commands_[sent++];
            if (!co_await say(batch)) co_return;
            while (replies_.size() < sent)
                if (!co_await next_reply()) co_return;
        }
    }

    // Without PIPELINING strictly one by one; nothing follows a refused MAIL, no DATA when nobody is left (H120).
    Task<void> exchange_stepwise() {
        for (const auto& command : commands_) {
            const bool data = replies_.size() > recipients_.size();
            if (data && std::none_of(replies_.begin() + 1, replies_.end(), [](const auto& r) { return r.good(); }))
                co_return;
            if (!co_await say(command) || !co_await next_reply()) co_return;
            if (replies_.size() == 1 && !replies_.front().good()) co_return;
        }
    }

    // Each recipient's fate as far as the envelope's replies tell (SC-054, SC-056).
    void fold_envelope() {
        if (lost_ && replies_.empty()) return;
        const auto& mail = replies_.front();
        if (policy::on_reply(Stage::mail, mail).then != Then::go_on) {
            for (auto& fate : fates_) fate = from_reply(mail, Stage::mail);
        } else {
            for (std::size_t n = 0; n < fates_.size() && n + 1 < replies_.size(); ++n) {
                const auto& reply = replies_[n + 1];
                if (policy::on_reply(Stage::rcpt, reply).then == Then::go_on)
                    accepted_.push_back(n);
                else
                    fates_[n] = from_reply(reply, Stage::rcpt);
            }
        }
        if (replies_.size() > recipients_.size() + 1) data_ = replies_.back();
    }

    RecipientResult from_reply(const smtp::Reply& reply, Stage stage) {
        const auto verdict = policy::on_reply(stage, reply, accepted_.size());
        const bool permanent = verdict.then == Then::bounce;
        RecipientResult out;
        out.reason = Reason::smtp_reply;
        out.code = reply.code;
        out.text = fmt::format("{} {}", reply.code, reply.text());
        out.verdict = permanent ? Verdict::bounced : Verdict::deferred;
        out.enhanced = reply.enhanced();
        if (!permanent && !out.enhanced.empty() && out.enhanced.front() == '5') out.enhanced.front() = '4';
        if (out.enhanced.empty()) out.enhanced = permanent ? "5.0.0" : "4.0.0";
        out.next_host_may_try = !permanent;
        out.next_transaction = verdict.then == Then::next_transaction;
        const bool of_the_moment = reply.code == 421 || reply.code == 450 || reply.code == 451;
        if (!permanent && of_the_moment && stage != Stage::rcpt) busy_ = true;
        return out;
    }

    void apply_to_accepted(const smtp::Reply& reply, Stage stage) {
        for (const auto n : accepted_) fates_[n] = from_reply(reply, stage);
        accepted_.clear();
    }

    Task<void> send_content() {
        ContentSender sender(channel_, content_, needs_, rules_);
        ContentSent sent;
        if (way_ == ContentWay::bdat)
            sent = co_await sender.by_bdat();
        else if (!accepted_.empty())
            sent = co_await sender.by_data();
        else
            sent = co_await sender.empty_data(); // counted for nobody (SC-052)
        lost_ = sent.lost;
        if (sent.answer) co_return content_answered(*sent.answer);
        possible_duplicate_ = sent.ended && !accepted_.empty();
        if (way_ == ContentWay::bdat && !sent.unreadable) chunking_doubt_ = policy::ChunkingDoubt::unanswered;
    }

    void content_answered(const smtp::Reply& reply) {
        ended_well_ = policy::on_reply(Stage::end_of_data, reply).then == Then::go_on;
        if (!ended_well_) {
            if (way_ == ContentWay::bdat && policy::refuses_bdat(reply)) return bdat_refused(reply);
            return apply_to_accepted(reply, Stage::end_of_data);
        }
        for (const auto n : accepted_) {
            auto& fate = fates_[n];
            fate.verdict = Verdict::delivered;
            fate.reason = Reason::none;
            fate.code = reply.code;
            fate.enhanced = reply.enhanced().empty() ? "2.0.0" : reply.enhanced();
            fate.text = fmt::format("{} {}", reply.code, reply.text());
        }
    }

    // Of the command, not of the message: to be offered again by DATA.
    void bdat_refused(const smtp::Reply& reply) {
        chunking_doubt_ = policy::ChunkingDoubt::refused;
        for (const auto n : accepted_) {
            auto& fate = fates_[n];
            fate.reason = Reason::smtp_reply;
            fate.code = reply.code;
            fate.enhanced = "4.5.0";
            fate.text = fmt::format("{} {} (to BDAT, though the host lists CHUNKING)", reply.code, reply.text());
            fate.next_host_may_try = true;
        }
        accepted_.clear();
    }

    // After a transaction that did not end in a 2yz: RSET before the next MAIL (SC-059).
    Task<void> settle() {
        if (lost_ || !channel_.quiet()) {
            channel_.close();
            co_return;
        }
        if (ended_well_) co_return;
        auto reply = co_await channel_.command("RSET\r\n", rules_.command_timeout);
        if (!reply || !reply->good()) channel_.close();
    }

    TransactionResult finish() {
        TransactionResult out;
        for (std::size_t n = 0; n < fates_.size(); ++n) {
            auto& fate = fates_[n];
            fate.number = recipients_[n]->number;
            if (fate.code == 0 && fate.reason == Reason::none && fate.verdict == Verdict::deferred)
                fate = unanswered(fate);
            out.recipients.push_back(std::move(fate));
        }
        out.channel_usable = channel_.is_open(); // settle() has looked
        out.stale_channel = reused_ && lost_ && (replies_.empty() || (replies_.size() == 1 && replies_[0].code == 421));
        out.possible_duplicate = possible_duplicate_;
        out.chunking_doubt = chunking_doubt_;
        out.busy = busy_ || (lost_ && (lost_->code == Errc::timeout || session_ended()));
        return out;
    }

    bool session_ended() const { return !replies_.empty() && replies_.back().code == 421; }

    RecipientResult unanswered(const RecipientResult& fate) const {
        RecipientResult out;
        out.number = fate.number;
        if (session_ended()) { // its own words are the reason (SC-031)
            out.reason = Reason::smtp_reply;
            out.code = 421;
            out.enhanced = replies_.back().enhanced().empty() ? "4.0.0" : replies_.back().enhanced();
            out.text = fmt::format("421 {}", replies_.back().text());
            out.next_host_may_try = true;
            return out;
        }
        const bool timed_out = lost_ && lost_->code == Errc::timeout;
        const bool odd = lost_ && (lost_->code == Errc::parse || lost_->code == Errc::limit);
        out.reason = timed_out ? Reason::timeout : odd ? Reason::smtp_reply : Reason::connection_lost;
        out.enhanced = odd ? "4.5.0" : "4.4.2";
        out.text = possible_duplicate_ ? "no reply to the end of the message (it may have been taken): " : "";
        out.text += lost_ ? printable(lost_->detail) : "the server gave no answer";
        out.next_host_may_try = !possible_duplicate_;
        return out;
    }

    Channel& channel_;
    const message::Envelope& envelope_;
    std::vector<const message::Recipient*> recipients_;
    Needs needs_;
    Content& content_;
    TransactionRules rules_;
    bool reused_;
    ContentWay way_;
    std::vector<std::string> commands_;
    Replies replies_;
    std::vector<RecipientResult> fates_;
    std::vector<std::size_t> accepted_;
    std::optional<smtp::Reply> data_;
    std::optional<Error> lost_;
    std::optional<policy::ChunkingDoubt> chunking_doubt_;
    bool possible_duplicate_ = false;
    bool ended_well_ = false;
    bool busy_ = false;
};

} // namespace

// What can't be read here is not the peer's fault, whatever its transaction ends in (DQ-008, DQ-011).
Task<Result<std::string>> StoredContent::piece(std::uint32_t sequence) {
    auto octets = co_await queue_.read(id_, sequence);
    if (!octets) log_.event(log::Level::error, "store", {{"id", id_}, {"text", octets.error().detail}});
    co_return octets;
}

Needs needs_of(const message::Envelope& envelope, const std::vector<const message::Recipient*>& recipients) {
    Needs out;
    out.smtputf8 = envelope.content.eight_bit_header || smtp::needs_smtputf8(envelope.reverse_path) ||
                   std::any_of(recipients.begin(), recipients.end(),
                               [](const auto* r) { return smtp::needs_smtputf8(r->address); });
    out.body = envelope.content.binary           ? smtp::Body::binary_mime
               : envelope.content.eight_bit_body ? smtp::Body::eight_bit_mime
                                                 : smtp::Body::seven_bit;
    const bool null_sender = envelope.reverse_path.empty();
    out.requiretls = envelope.requiretls && !null_sender;
    out.requiretls_wish = envelope.requiretls && null_sender;
    out.size = envelope.content.size;
    return out;
}

Task<TransactionResult> transact(Channel& channel, const message::Envelope& envelope,
                                 std::vector<const message::Recipient*> recipients, Needs needs, Content& content,
                                 TransactionRules rules) {
    Transaction transaction(channel, envelope, std::move(recipients), needs, content, rules);
    co_return co_await transaction.run();
}

} // namespace danelaw::delivery
