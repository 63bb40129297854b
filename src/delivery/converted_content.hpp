// A message's 8-bit content as a server without 8BITMIME can take it, converted while it is read: never whole in
// memory. SC-073, SC-076. Private to src/delivery.
#pragma once

#include "danelaw/delivery/transaction.hpp"
#include "danelaw/message/to_seven_bit.hpp"

#include <memory>

namespace danelaw::delivery {

class ConvertedContent final : public Content {
  public:
    // Reads it twice: for what has to change, and for how long it becomes. errc::parse: it can't be converted;
    // errc::damaged: there are other than `stored` octets of it (DQ-011: a part of it is no message).
    static Task<Result<std::unique_ptr<ConvertedContent>>> of(std::unique_ptr<Content> original, Bytes stored,
                                                              message::Attached attached);

    Task<Result<std::string>> piece(std::uint32_t sequence) override; // in order, from 0
    Bytes size() const { return size_; }

    ConvertedContent(std::unique_ptr<Content> original, const message::SevenBitPlan& plan)
        : original_(std::move(original)), converter_(plan) {}

  private:
    std::unique_ptr<Content> original_;
    message::SevenBitConverter converter_;
    Bytes size_ = 0;
    std::uint32_t read_ = 0; // pieces of the original
    bool finished_ = false;
};

} // namespace danelaw::delivery
