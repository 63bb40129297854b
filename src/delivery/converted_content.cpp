#include "converted_content.hpp"

#include <fmt/format.h>

namespace danelaw::delivery {

Task<Result<std::unique_ptr<ConvertedContent>>> ConvertedContent::of(std::unique_ptr<Content> original, Bytes stored,
                                                                     message::Attached attached) {
    message::SevenBitScan scan(attached);
    Bytes there = 0;
    for (std::uint32_t sequence = 0;; ++sequence) {
        auto piece = co_await original->piece(sequence);
        if (!piece) co_return fail(piece.error());
        if (piece->empty()) break;
        there += piece->size();
        scan.feed(*piece);
    }
    if (there != stored) co_return fail(Errc::damaged, fmt::format("{} of {} octets are there", there, stored));
    const auto plan = scan.finish();
    if (!plan) co_return fail(plan.error());

    message::SevenBitConverter measured(*plan);
    Bytes size = 0;
    for (std::uint32_t sequence = 0;; ++sequence) {
        auto piece = co_await original->piece(sequence);
        if (!piece) co_return fail(piece.error());
        if (piece->empty()) break;
        size += measured.feed(*piece).size();
    }
    auto out = std::make_unique<ConvertedContent>(std::move(original), *plan);
    out->size_ = size + measured.finish().size();
    co_return out;
}

Task<Result<std::string>> ConvertedContent::piece(std::uint32_t) {
    std::string out;
    while (out.empty() && !finished_) {
        auto piece = co_await original_->piece(read_++);
        if (!piece) co_return fail(piece.error());
        finished_ = piece->empty();
        out = finished_ ? converter_.finish() : converter_.feed(*piece);
    }
    co_return out;
}

} // namespace danelaw::delivery
