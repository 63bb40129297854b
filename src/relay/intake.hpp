// Content on its way into the queue: looked at, signed, bounded, stored in pieces once it is large. Private to relay.
// What comes in is as it will be stored (dots removed, line ends repaired). Memory: one piece, and the header while a
// signer waits for its end.
#pragma once

#include "danelaw/message/header_scan.hpp"
#include "danelaw/net/stream.hpp"
#include "danelaw/relay/server.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace danelaw::relay {

class Intake {
  public:
    // `missing`: the fields to be added, asked once when the header was seen; they are signed too.
    using Missing = std::function<std::string(const message::HeaderScan&)>;
    Intake(store::Queue& queue, std::string id, Bytes most, std::unique_ptr<ContentSigner> signer, Missing missing);

    void take(std::string_view octets);
    bool wants_to_store() const; // then store() before more is taken
    net::Task<void> store();

    bool too_large() const { return too_large_; }
    const std::optional<Error>& failure() const { return failure_; } // of the store

    // After the last octet. `prefix`: Received; the signature and the missing fields are put behind it.
    struct Sealed {
        std::string content; // whole, or "" when pieces hold it
        message::ContentFacts facts;
    };
    void finish();
    const message::HeaderScan& scan() const { return scan_; }
    net::Task<Result<Sealed>> seal(std::string received);
    net::Task<void> discard();
    const std::string& id() const { return id_; }

  private:
    void sign(std::string_view octets);
    void header_seen();
    net::Task<void> append(std::uint32_t sequence, std::string octets);

    store::Queue& queue_;
    std::string id_;
    Bytes most_ = 0, taken_ = 0;
    std::unique_ptr<ContentSigner> signer_;
    Missing missing_of_;
    message::HeaderScan scan_;
    std::string pending_, held_, missing_;
    bool header_seen_ = false, too_large_ = false;
    std::uint32_t next_ = 1; // piece 0 is the prefix, written last (message/received.hpp)
    std::optional<Error> failure_;
};

} // namespace danelaw::relay
