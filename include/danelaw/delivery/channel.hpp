// A conversation with one address of one host, opened as its plan demands: TCP, greeting, EHLO, STARTTLS, verification,
// EHLO. Without a pass there is no channel object to send on (DANE-120). Used alike by delivery and by `danelaw check`
// (DANE-130). RFC 5321 3.1, 3.2; RFC 3207; RFC 7672 2.2.
#pragma once

#include "danelaw/dane/plan.hpp"
#include "danelaw/net/buffered.hpp"
#include "danelaw/policy/verdict.hpp"
#include "danelaw/smtp/capabilities.hpp"
#include "danelaw/smtp/reply.hpp"
#include "danelaw/tls/client.hpp"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::delivery {

template <class T> using Task = boost::asio::awaitable<T>;

struct ChannelRules {
    std::string hostname; // for EHLO (SC-022)
    Millis connect_timeout{}, handshake_timeout{}, command_timeout{}, data_timeout{};
    std::vector<IpAddress> source_addresses;
    // clear_anew: policy::after_tls() said so of the connection before (DANE-125, D-30). A plan that demands TLS
    // refuses.
    enum class Protection { as_planned, clear_anew };
    Protection protection = Protection::as_planned;
    tls::Client::KeyPreference keys = tls::Client::KeyPreference::any;
};

// Where a session was, for TLS reports.
struct Whereabouts {
    std::optional<Endpoint> local, remote;
    std::string peer_name; // what the server called itself; as it came
};

// Why an address gave no channel. What it means (next address, next host, defer) is policy's and the agent's to say.
struct ChannelFailure {
    enum class Stage { connect, greeting, ehlo, starttls, handshake, verify, ehlo_after_tls };
    Stage stage = Stage::connect;
    Reason reason = Reason::connect_failed;
    std::string text;
    int code = 0; // of the reply that refused, 0 when none did
    std::string enhanced;
    std::optional<tls::Outcome> tls; // when a handshake was made or tried
    bool starttls_offered = false;
    bool permanent = false;                    // a greeting that bounces when every host gives such a one (D-14)
    std::optional<policy::TlsFinding> finding; // when it got as far as needing TLS (TR-010)
    Whereabouts where;
};
std::string_view word(ChannelFailure::Stage s);
// The same as a reason among others for dane::conclude().
dane::HostFailure host_failure(const dane::NextHop& hop, const dane::HostPlan& host, const ChannelFailure& failure);

class Channel {
  public:
    Channel(net::Buffered io, dane::HostPlan host, Endpoint endpoint);
    Channel(Channel&&) = default;
    Channel& operator=(Channel&&) = default;

    // One reply within the deadline; errc::parse for what is none, and the channel is of no more use (SC-028, SC-029).
    Task<Result<smtp::Reply>> read_reply(net::Deadline deadline);
    Task<Result<void>> write(std::string_view bytes, net::Deadline deadline);
    Task<Result<smtp::Reply>> command(std::string line, Millis timeout);
    // QUIT without waiting long for 221 (SC-033), then close. Safe in any state.
    Task<void> quit();
    void close() { io_.stream().close(); }
    bool is_open() { return io_.stream().is_open(); }
    // Nothing may be waiting to be read before a command: a stale 421, an unasked reply, an end (H107, H111).
    // An end shows only when one tries to read.
    bool quiet() { return !io_.input_waiting() && io_.stream().is_open(); }

    // The server takes no further message on this connection (RFC 9422, LIMITS MAILMAX).
    bool used_up() const {
        return offered.limit_mailmax && *offered.limit_mailmax > 0 && messages >= *offered.limit_mailmax;
    }

    const dane::HostPlan& host() const { return host_; }
    const Endpoint& endpoint() const { return endpoint_; }
    Whereabouts where() { return {io_.stream().local(), endpoint_, offered.peer_name}; }

    smtp::Capabilities offered; // of the EHLO of the present TLS state (SC-024, SC-025)
    Level level = Level::none;
    std::optional<tls::Outcome> tls; // nullopt in clear text
    bool starttls_offered = false;   // before TLS; for reports
    std::uint32_t messages = 0;      // transactions ended here
    std::string identity;            // the pool's key of what authenticated it (D-24): identity_of()
    // What opening it came to, until it is counted: a session counts once, however many messages it carries (TR-017).
    std::optional<policy::TlsFinding> finding;

  private:
    net::Buffered io_;
    dane::HostPlan host_;
    Endpoint endpoint_;
    friend class Opener;
};

// What a channel must have been opened under to serve another message: address, port, TLS requirement, SNI, TLSA set,
// protocol floor and CA; a name that authenticated it must be among the plan's own (D-24, DANE-115, SC-060).
std::string identity_of(const dane::HostPlan& host, const Endpoint& endpoint, const ChannelRules& rules);
bool accepts(const dane::HostPlan& host, const tls::Matched& matched);
bool may_use(const Channel& channel, const dane::HostPlan& host);

Task<std::expected<Channel, ChannelFailure>> open_channel(tls::Client& tls, dane::HostPlan host, Endpoint endpoint,
                                                          ChannelRules rules);

} // namespace danelaw::delivery
