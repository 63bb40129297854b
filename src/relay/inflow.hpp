// A message on its way in: counted, looked at, kept in memory while small and in the store's pieces when not, so that
// memory is bounded whatever its size. Nothing of it is in the queue before finish() (DQ-002).
#pragma once

#include "danelaw/message/header_scan.hpp"
#include "danelaw/relay/server.hpp"
#include "danelaw/smtp/server_reply.hpp"

#include <memory>
#include <optional>
#include <string>

namespace danelaw::relay {

class Inflow {
  public:
    Inflow(store::Queue& queue, std::string id, Bytes most) : queue_(queue), id_(std::move(id)), most_(most) {}

    // Decoded octets. After a failure the rest is swallowed: the client has to be read to its end (SS-023).
    Task<void> take(std::string octets);
    Task<void> give_up();
    // Was it refused already? The reply to be given at the end.
    const std::optional<smtp::ServerReply>& refused() const { return refused_; }
    void refuse(smtp::ServerReply reply) {
        if (!refused_) refused_ = std::move(reply);
    }

    struct Rules {
        std::string hostname;
        bool add_missing = true, reject_bare = false;
        bool bare_line_ends = false, binary = false;
    };
    // On stable storage when it returns jobs; else the reply that refuses it.
    Task<std::expected<std::vector<store::Job>, smtp::ServerReply>> finish(store::Message& message, Rules rules,
                                                                           Time now);

  private:
    Task<Result<void>> store_whole_pieces();
    store::Queue& queue_;
    std::string id_;
    Bytes most_;
    Bytes size_ = 0;
    message::HeaderScan scan_;
    std::string memory_;         // not yet handed to the store
    std::uint32_t sequence_ = 0; // of the last piece appended; the prefix becomes piece 0
    std::optional<smtp::ServerReply> refused_;
};

} // namespace danelaw::relay
