// One client's conversation, from its connection to its end. A local of its own coroutine; private to relay.
// Decisions are smtp::refusal() and right_of(); here they are carried out. Split over session*.cpp by what is talked
// about.
#pragma once

#include "core.hpp"
#include "intake.hpp"

#include "danelaw/net/buffered.hpp"
#include "danelaw/smtp/data_in.hpp"
#include "danelaw/smtp/session_rules.hpp"

#include <boost/json/object.hpp>

#include <unordered_set>

namespace danelaw::relay {

// From MAIL to the reply that ends it.
struct Transaction {
    std::shared_ptr<const Access> access; // as at MAIL (SS-095)
    message::Envelope envelope;
    std::vector<message::Recipient> recipients;
    std::unordered_set<std::string> seen; // recipients in one form, with their DSN parameters: each gets one copy
    Bytes reserved = 0;
    std::unique_ptr<Intake> intake; // from DATA or the first BDAT on
    smtp::BdatDecoder bdat;
};

class Session {
  public:
    // Has a place from the doorman; gives it back.
    Session(Core& core, net::Stream stream, Door door);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    net::Task<void> run();

  private:
    // -- session.cpp: arrival, lines, replies
    net::Task<bool> arrive();
    net::Task<bool> told_by_proxy();
    bool admitted();
    net::Task<void> converse();
    net::Task<void> obey(std::string_view line);
    net::Task<void> carry_out(smtp::Command command);
    net::Task<Result<std::string>> next_line();
    void part(const Error& error);
    void say(smtp::ServerReply reply);
    void refuse(std::string_view stage, smtp::ServerReply reply, std::string_view recipient = {});
    net::Task<bool> flush();
    net::Task<void> punish();
    void note_reply(smtp::Verb verb, const smtp::ServerReply& reply);
    net::Deadline limit() const { return net::deadline_after(settings().limits.command_timeout); }

    // -- session_greeting.cpp: EHLO, HELO and what is true of this client
    bool ehlo(std::string_view name); // true: accepted, an open transaction is over
    bool helo(std::string_view name);
    bool early_talker(std::string_view stage);
    smtp::SessionFacts facts() const;
    Right right() const;
    bool tls_active() const { return !tls_text_.empty(); }
    bool auth_could_help() const;
    std::string client_text() const;
    message::Client client_facts() const;
    const config::Settings& settings() const { return *access_->settings; }
    void take_current_access();
    void log(log::Level level, std::string_view event, boost::json::object fields);

    // -- session_envelope.cpp
    void mail(std::string_view arguments);
    void rcpt(std::string_view arguments);
    std::optional<smtp::ServerReply> add_recipient(smtp::RcptCommand command);
    std::optional<std::string> relay_address(const smtp::Mailbox& mailbox) const;
    void forget_transaction(); // its pieces in the store must be gone

    // -- session_content.cpp
    net::Task<void> data();
    net::Task<void> bdat(smtp::Command command);
    net::Task<bool> swallow(std::uint64_t octets);
    net::Task<bool> take_chunk(std::uint64_t octets);
    struct Pace {
        std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
        std::uint64_t received = 0;
    };
    net::Task<Result<std::string>> read_content(std::size_t most, Pace& pace);
    void begin_intake();
    std::optional<smtp::ServerReply> content_refusal(bool bare_line_ends) const;
    net::Task<void> accept_message(bool bare_line_ends);
    net::Task<void> store_message(message::ContentFacts facts, std::string content);
    net::Task<void> drop_transaction();

    // -- session_secure.cpp: TLS and AUTH
    net::Task<bool> handshake();
    net::Task<void> starttls();
    net::Task<void> auth(std::string_view arguments);
    net::Task<Result<std::string>> challenge(std::string text);
    net::Task<std::optional<smtp::PlainCredentials>> plain(std::optional<std::string> initial);
    net::Task<std::optional<smtp::PlainCredentials>> login(std::optional<std::string> initial);
    net::Task<void> check(smtp::PlainCredentials credentials);

    Core& core_;
    net::Buffered io_;
    Door door_;
    std::shared_ptr<const Access> access_;
    const std::string name_;
    std::optional<IpAddress> address_; // the client's; nullopt on a unix socket
    bool unix_ = false, counted_ = false;
    std::string counted_as_;

    smtp::State state_ = smtp::State::connected;
    bool esmtp_ = false, open_ = true;
    std::string helo_, user_;
    std::optional<std::string> certificate_; // subject of a verified client certificate
    std::string tls_text_;
    std::optional<Transaction> transaction_;
    std::string out_;                                // replies that were not sent yet
    int wrong_ = 0, failed_auth_ = 0, punished_ = 0; // SS-016
};

} // namespace danelaw::relay
