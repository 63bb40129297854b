#include "intake.hpp"

#include "danelaw/base/limits.hpp"

namespace danelaw::relay {

Intake::Intake(store::Queue& queue, std::string id, Bytes most, std::unique_ptr<ContentSigner> signer, Missing missing)
    : queue_(queue), id_(std::move(id)), most_(most), signer_(std::move(signer)), missing_of_(std::move(missing)) {}

void Intake::take(std::string_view octets) {
    taken_ += octets.size();
    if (taken_ > most_) too_large_ = true;
    if (too_large_ || failure_) { // the rest is read to its end and dropped (SS-023)
        pending_.clear();
        held_.clear();
        return;
    }
    scan_.feed(octets);
    if (!header_seen_ && scan_.header_ended()) {
        held_ += octets;
        header_seen();
    } else {
        sign(octets);
    }
    pending_ += octets;
}

void Intake::sign(std::string_view octets) {
    if (!signer_) return;
    if (header_seen_) return signer_->feed(octets);
    held_ += octets;
    if (held_.size() <= limits::header_section) return;
    signer_.reset(); // no header of that size is signed
    held_.clear();
}

// From here on it is known which fields are missing; the signer sees them as if they had been there.
void Intake::header_seen() {
    header_seen_ = true;
    missing_ = missing_of_(scan_);
    if (scan_.starts_with_body()) missing_ += "\r\n"; // there was no header: ours needs an end
    if (signer_) {
        signer_->feed(missing_);
        signer_->feed(held_);
    }
    held_.clear();
    held_.shrink_to_fit();
}

bool Intake::wants_to_store() const {
    return pending_.size() > limits::chunk;
}

net::Task<void> Intake::append(std::uint32_t sequence, std::string octets) {
    auto stored = co_await queue_.append(id_, sequence, std::move(octets));
    if (!stored) failure_ = stored.error();
}

net::Task<void> Intake::store() {
    std::size_t at = 0;
    while (pending_.size() - at > limits::chunk && !failure_) {
        std::string piece = pending_.substr(at, limits::chunk);
        at += piece.size();
        co_await append(next_++, std::move(piece));
    }
    pending_.erase(0, at);
}

void Intake::finish() {
    scan_.finish();
    if (!header_seen_) header_seen();
}

net::Task<Result<Intake::Sealed>> Intake::seal(std::string received) {
    Sealed sealed;
    sealed.facts = scan_.facts();
    std::string prefix = std::move(received), signature;
    if (signer_) {
        auto made = signer_->finish();
        if (!made) co_return fail(made.error());
        signature = std::move(*made);
    }
    prefix += signature + missing_;
    message::add_prefix(sealed.facts, prefix);
    if (!signature.empty()) sealed.facts.signed_content = true;
    if (next_ == 1 && prefix.size() + pending_.size() <= limits::chunk) {
        sealed.content = prefix + pending_;
        co_return sealed;
    }
    co_await store();
    if (!failure_ && !pending_.empty()) co_await append(next_++, std::move(pending_));
    if (!failure_) co_await append(0, std::move(prefix));
    if (failure_) co_return fail(*failure_);
    co_return sealed;
}

net::Task<void> Intake::discard() {
    pending_.clear();
    if (next_ > 1) co_await queue_.discard(id_);
    next_ = 1;
}

} // namespace danelaw::relay
