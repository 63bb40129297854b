#include "content_sender.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/policy/content_way.hpp"
#include "danelaw/policy/verdict.hpp"

#include <fmt/format.h>
#include <utility>

namespace danelaw::delivery {
namespace {

// Their replies stay below what every socket buffers, so that we can't wait for each other (SC-053); and no more than
// these are sent in vain when one is refused.
constexpr std::size_t chunks_in_flight = 32;

Error not_asked_for(const smtp::Reply& reply) {
    return {Errc::parse, fmt::format("a reply that answers nothing: {} {}", reply.code, reply.text())};
}

} // namespace

ContentSender::ContentSender(Channel& channel, Content& content, const Needs& needs, TransactionRules rules)
    : channel_(channel), content_(content), needs_(needs), rules_(rules) {}

// Empty at the end of content that is whole.
Task<Result<std::string>> ContentSender::next_piece() {
    auto piece = co_await content_.piece(sequence_++);
    if (!piece) co_return piece;
    read_ += piece->size();
    if (piece->empty() && read_ != needs_.size) // its end is missing, or it is another message's
        co_return fail(Errc::damaged, fmt::format("{} of {} octets", read_, needs_.size));
    co_return piece;
}

void ContentSender::give_up(Error why) {
    sent_.lost = std::move(why);
    sent_.lost->detail = "the stored content can't be read: " + sent_.lost->detail;
    sent_.unreadable = true;
    channel_.close();
}

Task<void> ContentSender::write(std::string_view octets) {
    auto written = co_await channel_.write(octets, net::deadline_after(rules_.command_timeout));
    if (!written) sent_.lost = written.error();
}

Task<ContentSent> ContentSender::by_data() {
    co_await dotted();
    if (!sent_.lost && !sent_.answer) co_await take_answer();
    co_return std::move(sent_);
}

Task<ContentSent> ContentSender::empty_data() {
    co_await write(".\r\n");
    sent_.ended = !sent_.lost;
    if (sent_.ended) co_await take_answer();
    co_return std::move(sent_);
}

// The last piece and the dot go out as one.
Task<void> ContentSender::dotted() {
    smtp::DotStuffer stuffer;
    std::string out;
    for (;;) {
        auto piece = co_await next_piece();
        if (!piece) co_return give_up(piece.error());
        if (piece->empty()) break;
        if (!out.empty()) co_await write(std::exchange(out, {}));
        if (sent_.lost) co_return;
        stuffer.feed(*piece, out);
    }
    stuffer.finish(out);
    if (!channel_.quiet()) co_return co_await answered_too_early();
    co_await write(out);
    sent_.ended = !sent_.lost;
}

// What is said before the dot can be a refusal, but it accepts nothing: a reply too many, of before, must not be taken
// for the answer to the content (SC-058).
Task<void> ContentSender::answered_too_early() {
    auto reply = co_await channel_.read_reply(net::deadline_after(rules_.command_timeout));
    channel_.close(); // in the midst of the content
    if (!reply)
        sent_.lost = reply.error();
    else if (policy::on_reply(policy::Stage::end_of_data, *reply).then == policy::Then::go_on)
        sent_.lost = not_asked_for(*reply);
    else
        sent_.answer = std::move(*reply);
}

Task<ContentSent> ContentSender::by_bdat() {
    co_await chunks();
    // What is in flight is answered, after a refusal too: it must not be taken for the reply to RSET.
    while (unanswered_ > 0 && !sent_.lost && channel_.is_open()) co_await take_answer();
    co_return std::move(sent_);
}

Task<void> ContentSender::chunks() {
    using Form = smtp::BdatChunks::Form;
    smtp::BdatChunks chunks(needs_.body == smtp::Body::binary_mime ? Form::binary : Form::text,
                            limits::chunk / 2); // the header that we add is a piece of its own
    for (;;) {
        auto piece = co_await next_piece();
        if (!piece) co_return give_up(piece.error());
        if (piece->empty()) break;
        auto chunk = chunks.feed(*piece);
        if (!chunk.empty()) co_await send_chunk(std::move(chunk));
        if (over()) co_return;
    }
    co_await send_chunk(chunks.finish());
    // Only what is written as a whole is a LAST.
    sent_.ended = unanswered_ > 0 && !over();
}

// A refusal is looked for before each: after one no more are sent (RFC 3030 2).
Task<void> ContentSender::send_chunk(std::string chunk) {
    const std::size_t most = channel_.offered.pipelining ? chunks_in_flight : 1;
    while (!over() && unanswered_ > 0 && (unanswered_ >= most || !channel_.quiet())) co_await take_answer();
    if (over()) co_return;
    // With no chunk in flight nothing can be an answer to one: it would be taken for that to this (SC-058).
    if (unanswered_ == 0 && !channel_.quiet()) {
        auto reply = co_await channel_.read_reply(net::deadline_after(rules_.command_timeout));
        sent_.lost = reply ? not_asked_for(*reply) : reply.error();
        channel_.close();
        co_return;
    }
    co_await write(chunk);
    if (!sent_.lost) ++unanswered_;
}

Task<void> ContentSender::take_answer() {
    const bool of_the_end = sent_.ended && unanswered_ <= 1;
    const auto limit = of_the_end ? rules_.data_timeout : rules_.command_timeout; // D-22: a limit of its own
    auto reply = co_await channel_.read_reply(net::deadline_after(limit));
    if (!reply) {
        sent_.lost = reply.error();
        co_return;
    }
    const bool to_bdat = unanswered_ > 0;
    if (to_bdat) --unanswered_;
    const auto verdict = policy::on_reply(policy::Stage::end_of_data, *reply);
    const bool refused = verdict.then != policy::Then::go_on;
    // A server that does not know BDAT has read the content as commands: nothing it says from now on has a meaning.
    const bool meaningless = to_bdat && !sent_.answer && policy::refuses_bdat(*reply);
    if (verdict.session_over || meaningless) channel_.close();
    if (!sent_.answer && (refused || of_the_end)) sent_.answer = std::move(*reply);
}

} // namespace danelaw::delivery
