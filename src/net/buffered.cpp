// Lines and counted octets, whatever pieces they arrive in.
#include "danelaw/net/buffered.hpp"

#include <algorithm>
#include <array>
#include <openssl/ssl.h>

namespace danelaw::net {
namespace {

constexpr std::size_t line_read = 8 * 1024;   // what is asked of the socket while looking for a line
constexpr std::size_t piece_read = 64 * 1024; // and while taking content

// Where every read of a thread lands before what came is kept: a buffer of its own would have to be cleared first,
// which costs more than the copy. Nothing runs between a read's end and its caller, so no other read can get in
// between.
std::span<char> landing(std::size_t most) {
    thread_local std::array<char, piece_read> octets;
    return std::span(octets).first(std::min(most, octets.size()));
}

struct LineEndAt {
    std::size_t end = std::string::npos; // where the line's text ends
    std::size_t next = 0;                // where the next line starts
};

LineEndAt find_end(std::string_view bytes, std::size_t from, Buffered::LineEnd ends) {
    LineEndAt found;
    while (true) {
        const std::size_t lf = bytes.find('\n', from);
        if (lf == std::string_view::npos) return found;
        const bool crlf = lf > 0 && bytes[lf - 1] == '\r';
        if (crlf || ends == Buffered::LineEnd::lf_tolerated) {
            found.end = crlf ? lf - 1 : lf;
            found.next = lf + 1;
            return found;
        }
        from = lf + 1;
    }
}

} // namespace

Task<Result<std::size_t>> Buffered::fill(Deadline deadline) {
    if (at_ == buffer_.size()) drop_buffered();
    if (at_ > 0) {
        buffer_.erase(0, at_);
        at_ = 0;
    }
    const auto came = landing(line_read);
    auto got = co_await stream_.read_some(came, deadline);
    if (got) buffer_.append(came.data(), *got);
    co_return got;
}

Task<Result<std::string>> Buffered::read_line(std::size_t most, LineEnd ends, Deadline deadline) {
    std::size_t searched = 0; // octets of the buffered ones that hold no line end
    bool too_long = false;
    while (true) {
        const std::string_view bytes = std::string_view(buffer_).substr(at_);
        const LineEndAt found = find_end(bytes, searched, ends);
        if (found.end != std::string::npos) {
            std::string line(too_long || found.end > most ? std::string_view() : bytes.substr(0, found.end));
            too_long = too_long || found.end > most;
            at_ += found.next;
            if (too_long) co_return fail(Errc::limit, "line longer than " + std::to_string(most) + " octets");
            co_return line;
        }
        searched = bytes.size();
        if (bytes.size() > most + 1) { // one more than the text: its last octet may be the CR of the line end
            too_long = true;
            const char last = bytes.back();
            drop_buffered();
            if (last == '\r') buffer_ = "\r";
            searched = buffer_.size();
        }
        auto got = co_await fill(deadline);
        if (!got) co_return fail(std::move(got.error()));
    }
}

// Nothing beyond `most` is taken from the socket: what follows may be another protocol's (proxy.hpp, implicit TLS).
Task<Result<std::string>> Buffered::read_some(std::size_t most, Deadline deadline) {
    if (buffered() > 0) {
        std::string taken = buffer_.substr(at_, most);
        at_ += taken.size();
        if (buffered() == 0) drop_buffered();
        co_return taken;
    }
    const auto came = landing(most);
    auto got = co_await stream_.read_some(came, deadline);
    if (!got) co_return fail(std::move(got.error()));
    co_return std::string(came.data(), *got);
}

bool Buffered::line_buffered() const {
    return buffer_.find("\r\n", at_) != std::string::npos;
}

Task<Result<void>> Buffered::await_line(std::size_t most, Deadline deadline) {
    while (!line_buffered() && buffered() <= most) {
        auto ready = co_await stream_.wait_readable(deadline);
        if (!ready) co_return ready;
        auto got = co_await fill(deadline);
        if (!got) co_return fail(std::move(got.error()));
    }
    co_return Result<void>();
}

Task<Result<void>> Buffered::await_input(Deadline deadline) {
    if (buffered() > 0) co_return Result<void>();
    co_return co_await stream_.wait_readable(deadline);
}

void Buffered::put_back(std::string_view octets) {
    buffer_.replace(0, at_, octets);
    at_ = 0;
}

bool Buffered::input_waiting() {
    if (buffered() > 0) return true;
    drop_buffered();
    const auto came = landing(line_read);
    if (auto got = stream_.read_ready(came)) buffer_.assign(came.data(), *got);
    return !buffer_.empty();
}

void Buffered::drop_buffered() {
    buffer_.clear();
    at_ = 0;
}

Task<Result<void>> Buffered::start_tls(ssl_st* ssl, Stream::Side side, Deadline deadline) {
    // A server has nothing to say before the ClientHello, so what waits on the socket is an injection too; towards a
    // client it may be the ClientHello itself.
    const bool injected = side == Stream::Side::client ? input_waiting() : buffered() > 0;
    if (injected) {
        SSL_free(ssl); // ownership has passed
        stream_.close();
        co_return fail(Errc::parse, "octets in clear text before the TLS handshake");
    }
    co_return co_await stream_.start_tls(ssl, side, deadline);
}

} // namespace danelaw::net
