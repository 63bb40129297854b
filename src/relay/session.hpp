// One client's session: the dialogue over one connection. Private to src/relay.
#pragma once

#include "danelaw/net/buffered.hpp"
#include "danelaw/smtp/data_in.hpp"
#include "danelaw/smtp/session_rules.hpp"
#include "inflow.hpp"
#include "server_state.hpp"

#include <optional>
#include <string>
#include <vector>

namespace danelaw::relay {

class Session {
  public:
    Session(Server::State& server, const Open& where, net::Stream stream);
    Task<void> run();

  private:
    enum class Go { on, close };

    // -- around the dialogue
    Task<bool> arrive(); // PROXY header, implicit TLS
    Task<void> dialogue();
    Task<Go> next_command();
    Task<Go> run_command(const smtp::Command& command);
    Task<bool> flush();
    void say(smtp::ServerReply reply);
    void refuse(const smtp::Command& command, smtp::ServerReply reply);
    Task<Go> leave(smtp::ServerReply reply);
    Task<Go> lost_patience(const Error& error);

    // -- commands
    void hello(const smtp::Command& command);
    std::string offers() const;
    void mail(const smtp::Command& command);
    void rcpt(const smtp::Command& command);
    Task<Go> data();
    Task<Go> bdat(const smtp::Command& command);
    Task<Go> end_of_message();
    Task<Go> starttls();
    Task<Go> auth(const smtp::Command& command);
    Task<std::optional<std::string>> auth_answer(std::string challenge);
    Task<Go> check_password(std::string user, std::string password);

    // -- who and how
    bool permitted() const;
    smtp::Syntax syntax() const { return permitted() ? smtp::Syntax::sloppy : smtp::Syntax::strict; }
    smtp::SessionFacts facts() const;
    std::string client_text() const;
    std::string protocol() const;
    std::optional<smtp::ServerReply> no_room() const;
    void forget_transaction();
    void begin_content();
    net::Deadline command_deadline() const;

    Server::State& server_;
    const Open& where_;
    std::shared_ptr<const tls::ServerContext> tls_; // the one it began with
    std::shared_ptr<const config::Settings> settings_;
    net::Buffered io_;
    std::string out_;
    std::optional<IpAddress> peer_;
    std::string helo_;
    bool esmtp_ = false;
    std::string tls_text_, user_, certificate_;
    smtp::State state_ = smtp::State::connected;
    int useless_ = 0, failed_auth_ = 0;
    bool counted_client_ = false;
    // the open transaction
    store::Message message_;
    std::optional<Inflow> inflow_;
    smtp::BdatDecoder bdat_decoder_;
    bool smtputf8_ = false;
};

} // namespace danelaw::relay
