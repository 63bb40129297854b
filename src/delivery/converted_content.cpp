#include "converted_content.hpp"

#include <fmt/format.h>

namespace danelaw::delivery {

namespace {

// All of it, piece by piece.
template <class Sink> Task<Result<void>> read_through(Content& content, Sink sink) {
    for (std::uint32_t sequence = 0;; ++sequence) {
        const auto piece = co_await content.piece(sequence);
        if (!piece) co_return fail(piece.error());
        if (piece->empty()) co_return Result<void>{};
        sink(*piece);
    }
}

} // namespace

Task<Result<std::unique_ptr<ConvertedContent>>> ConvertedContent::of(std::unique_ptr<Content> original, Bytes stored,
                                                                     message::Attached attached) {
    message::SevenBitScan scan(attached);
    Bytes there = 0;
    const auto scanned = co_await read_through(*original, [&](const std::string& piece) {
        there += piece.size();
        scan.feed(piece);
    });
    if (!scanned) co_return fail(scanned.error());
    if (there != stored) co_return fail(Errc::damaged, fmt::format("{} of {} octets are there", there, stored));
    const auto plan = scan.finish();
    if (!plan) co_return fail(plan.error());

    message::SevenBitConverter measured(*plan);
    Bytes size = 0;
    const auto read =
        co_await read_through(*original, [&](const std::string& piece) { size += measured.feed(piece).size(); });
    if (!read) co_return fail(read.error());
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
