// Content on its way to the store.
#include "inflow.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/message/received.hpp"

#include <fmt/format.h>

namespace danelaw::relay {
namespace {

smtp::ServerReply storage_reply(const Error& error) {
    if (error.code == Errc::full) return {452, "4.3.1", "Insufficient system storage"};
    return {451, "4.3.0", "The message can't be stored now, try again later"};
}

} // namespace

Task<void> Inflow::take(std::string octets) {
    size_ += octets.size();
    if (refused_) co_return;
    if (size_ > most_) {
        refuse({552, "5.3.4", fmt::format("The message is larger than {} octets", most_)});
        co_await give_up();
        co_return;
    }
    scan_.feed(octets);
    memory_ += octets;
    if (memory_.size() <= limits::chunk) co_return;
    auto stored = co_await store_whole_pieces();
    if (!stored) {
        refuse(storage_reply(stored.error()));
        co_await give_up();
    }
}

Task<Result<void>> Inflow::store_whole_pieces() {
    std::size_t at = 0;
    while (memory_.size() - at > limits::chunk) {
        auto piece = memory_.substr(at, limits::chunk);
        auto stored = co_await queue_.append(id_, ++sequence_, std::move(piece));
        if (!stored) co_return stored;
        at += limits::chunk;
    }
    memory_.erase(0, at);
    co_return Result<void>{};
}

Task<void> Inflow::give_up() {
    memory_.clear();
    memory_.shrink_to_fit();
    if (sequence_ > 0) co_await queue_.discard(id_);
    sequence_ = 0;
}

Task<std::expected<std::vector<store::Job>, smtp::ServerReply>> Inflow::finish(store::Message& message, Rules rules,
                                                                               Time now) {
    scan_.finish();
    auto facts = scan_.facts();
    facts.binary = rules.binary;
    facts.bare_line_ends = rules.bare_line_ends;
    if (!refused_ && rules.reject_bare && rules.bare_line_ends)
        refuse({550, "5.6.11", "Bare CR or LF is not allowed (RFC 5321 2.3.8)"});
    if (!refused_ && facts.received_count > limits::received_headers)
        refuse({554, "5.4.6", "Too many Received headers: the message loops"});
    if (refused_) {
        co_await give_up();
        co_return std::unexpected(*refused_);
    }
    auto& envelope = message.envelope;
    auto prefix = message::received_field(envelope, message.recipients, rules.hostname);
    if (rules.add_missing) prefix += message::missing_fields(scan_, now, envelope.id, rules.hostname);
    if (scan_.starts_with_body()) prefix += "\r\n";
    message::add_prefix(facts, prefix);
    envelope.content = facts;

    store::NewMessage incoming;
    incoming.message = message;
    if (sequence_ == 0) {
        incoming.content = prefix + memory_;
    } else {
        Result<void> stored;
        if (!memory_.empty()) stored = co_await queue_.append(id_, ++sequence_, std::move(memory_));
        if (stored) stored = co_await queue_.append(id_, 0, std::move(prefix));
        if (!stored) {
            co_await give_up();
            co_return std::unexpected(storage_reply(stored.error()));
        }
    }
    auto jobs = co_await queue_.add(std::move(incoming));
    if (!jobs) {
        co_await give_up();
        co_return std::unexpected(storage_reply(jobs.error()));
    }
    co_return std::move(*jobs);
}

} // namespace danelaw::relay
