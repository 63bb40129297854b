#include "delivery/one_transaction.hpp"

#include "danelaw/base/limits.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace danelaw::delivery::test {
namespace {

constexpr Millis limit = std::chrono::seconds(2);

// The content in the store's pieces, and what becomes of it there.
class Text final : public Content {
  public:
    explicit Text(const Case& c) : text_(c.content), damaged_(c.damaged) {}
    Task<Result<std::string>> piece(std::uint32_t sequence) override {
        const std::size_t at = std::size_t{sequence} * limits::chunk;
        if (at < text_.size()) co_return text_.substr(at, limits::chunk);
        if (damaged_) co_return fail(Errc::damaged, "checksum");
        co_return std::string();
    }

  private:
    std::string text_;
    bool damaged_;
};

Task<void> one_transaction(Endpoint endpoint, Case c, Run& run) {
    tls::Client tls;
    dane::HostPlan host;
    host.name = *dns::Name::from("mx.example");
    host.requirement = c.requirement;
    host.clear_after_failed_tls = c.clear_after_failed_tls;
    host.port = endpoint.port;
    ChannelRules rules;
    rules.hostname = "relay.example";
    rules.protection = c.protection;
    rules.connect_timeout = rules.handshake_timeout = rules.command_timeout = rules.data_timeout = limit;
    auto channel = co_await open_channel(tls, host, endpoint, rules);
    if (!channel) {
        run.no_channel = channel.error();
        run.finding = run.no_channel->finding;
        co_return;
    }
    run.finding = channel->finding;
    message::Envelope envelope;
    envelope.reverse_path = "a@client.example";
    envelope.content.size = c.content.size() + c.missing;
    envelope.content.binary = c.binary;
    std::vector<message::Recipient> recipients(c.recipients);
    std::vector<const message::Recipient*> list;
    for (std::uint32_t n = 0; n < c.recipients; ++n) {
        recipients[n].number = n;
        recipients[n].address = std::string(1, static_cast<char>('a' + n)) + "@dest.example";
        list.push_back(&recipients[n]);
    }
    Text content(c);
    const TransactionRules limits{limit, limit};
    run.result = co_await transact(*channel, envelope, list, needs_of(envelope, list), content, limits);
    co_await channel->quit();
}

} // namespace

Run play(const Case& c, std::size_t fail_step, Fault fault) {
    boost::asio::io_context io;
    ScriptedPeer peer(io, c.script);
    peer.fail_at(fail_step, fault);
    Run run;
    boost::asio::co_spawn(io, one_transaction(peer.endpoint(), c, run), [&io](std::exception_ptr e) {
        if (e) std::rethrow_exception(e);
        io.stop();
    });
    io.run();
    run.seen = peer.seen;
    return run;
}

} // namespace danelaw::delivery::test
