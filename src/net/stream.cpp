// Reading and writing one connection until a deadline, in clear text or TLS.
// The descriptor is non-blocking: each step is tried first and waited for only when it would block. OpenSSL works
// straight on the descriptor, so a TLS 1.3 key update that makes a write wait for a read needs nothing special.
#include "stream_priv.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <openssl/err.h>
#include <sys/socket.h>
#include <utility>

namespace danelaw::net {

namespace asio = boost::asio;

namespace {

constexpr int steps_without_wait = 64;
constexpr std::size_t drained_at_close = 1 << 20;

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

// The peer went away, or something that is ours to look at.
Errc code_for(int error) {
    switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ESHUTDOWN: return Errc::closed;
    case ETIMEDOUT: return Errc::timeout;
    default: return Errc::io;
    }
}

// "handshake: peer sent alert bad certificate", "handshake: wrong version number (…)"
std::string tls_text(std::string_view what, unsigned long error) {
    std::string text(what);
    text += ": ";
    const int reason = ERR_GET_REASON(error);
    if (reason > SSL_AD_REASON_OFFSET && ERR_GET_LIB(error) == ERR_LIB_SSL) {
        text += "peer sent alert ";
        text += SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET);
        return text;
    }
    const char* words = ERR_reason_error_string(error);
    if (words != nullptr) return text + words;
    std::array<char, 256> buffer{};
    ERR_error_string_n(error, buffer.data(), buffer.size());
    return text + buffer.data();
}

} // namespace

void ignore_sigpipe() {
    std::signal(SIGPIPE, SIG_IGN);
}

Stream::Impl::Impl(std::unique_ptr<Descriptor> connected)
    : socket(std::move(connected)), peer(peer_endpoint(socket->fd())), local(local_endpoint(socket->fd())) {
    unix_domain = !local.has_value();
    if (!unix_domain) set_no_delay(socket->fd());
}

Result<std::size_t> Stream::Impl::try_plain_read(std::span<char> buffer) {
    while (true) {
        const ssize_t n = ::recv(socket->fd(), buffer.data(), buffer.size(), 0);
        if (n > 0) return static_cast<std::size_t>(n);
        if (n == 0) {
            ended = true;
            return fail(Errc::closed, "connection closed by peer");
        }
        if (would_block(errno)) return std::size_t{0};
        if (errno != EINTR) return fail(code_for(errno), system_text("read", errno));
    }
}

Result<std::size_t> Stream::Impl::try_plain_write(std::string_view bytes) {
    while (true) {
        const ssize_t n = ::send(socket->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (would_block(errno)) return std::size_t{0};
        if (errno != EINTR) return fail(code_for(errno), system_text("write", errno));
    }
}

Result<std::size_t> Stream::Impl::tls_verdict(int returned, Until& want, std::string_view what) {
    const int error = errno;
    switch (SSL_get_error(ssl.get(), returned)) {
    case SSL_ERROR_WANT_READ: want = Until::readable; return std::size_t{0};
    case SSL_ERROR_WANT_WRITE: want = Until::writable; return std::size_t{0};
    case SSL_ERROR_ZERO_RETURN:
        ended = true;
        return fail(Errc::closed, std::string(what) + ": connection closed by peer");
    case SSL_ERROR_SYSCALL:
        if (error == 0) return fail(Errc::closed, std::string(what) + ": connection closed by peer");
        return fail(code_for(error), system_text(what, error));
    default: break;
    }
    const unsigned long reason = ERR_peek_error();
    if (ERR_GET_LIB(reason) == ERR_LIB_SSL && ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return fail(Errc::closed, std::string(what) + ": connection closed by peer");
    }
    return fail(Errc::tls, tls_text(what, reason));
}

Result<std::size_t> Stream::Impl::try_read(std::span<char> buffer, Until& want) {
    want = Until::readable;
    if (!in_tls) return try_plain_read(buffer);
    ERR_clear_error();
    errno = 0;
    const int most = static_cast<int>(std::min<std::size_t>(buffer.size(), 1 << 30));
    const int n = SSL_read(ssl.get(), buffer.data(), most);
    if (n > 0) return static_cast<std::size_t>(n);
    return tls_verdict(n, want, "read");
}

Result<std::size_t> Stream::Impl::try_write(std::string_view bytes, Until& want) {
    want = Until::writable;
    if (!in_tls) return try_plain_write(bytes);
    ERR_clear_error();
    errno = 0;
    const int most = static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 30));
    const int n = SSL_write(ssl.get(), bytes.data(), most);
    if (n > 0) return static_cast<std::size_t>(n);
    return tls_verdict(n, want, "write");
}

bool Stream::Impl::pending() const {
    return in_tls && SSL_has_pending(ssl.get()) == 1;
}

Task<void> Stream::Impl::yield_now_and_then() {
    if (++without_wait < steps_without_wait) co_return;
    without_wait = 0;
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
}

Result<void> Stream::Impl::refuse_if_unusable(Deadline deadline) {
    if (!socket->is_open()) return fail(Errc::closed, "the connection is closed already");
    if (std::chrono::steady_clock::now() >= deadline) return give_up(Error{Errc::timeout, "timed out"});
    return {};
}

std::unexpected<Error> Stream::Impl::give_up(Error error) {
    socket->close();
    return fail(std::move(error));
}

Task<Result<void>> Stream::Impl::handshake(Deadline deadline) {
    while (true) {
        ERR_clear_error();
        errno = 0;
        const int n = SSL_do_handshake(ssl.get());
        if (n == 1) break;
        Until want = Until::readable;
        auto verdict = tls_verdict(n, want, "TLS handshake");
        if (!verdict) co_return give_up(std::move(verdict.error()));
        auto waited = co_await socket->wait(want, deadline);
        if (!waited) co_return give_up(std::move(waited.error()));
    }
    in_tls = true;
    co_return Result<void>();
}

Task<void> Stream::Impl::send_close_notify(Deadline deadline) {
    while (true) {
        ERR_clear_error();
        errno = 0;
        const int n = SSL_shutdown(ssl.get());
        if (n >= 0) co_return; // 0: ours is sent; the peer's needs no wait
        Until want = Until::writable;
        if (!tls_verdict(n, want, "close")) co_return;
        if (!co_await socket->wait(want, deadline)) co_return;
    }
}

Stream::Stream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;
Stream::~Stream() = default;

Task<Result<std::size_t>> Stream::read_some(std::span<char> buffer, Deadline deadline) {
    if (auto usable = impl_->refuse_if_unusable(deadline); !usable) co_return fail(std::move(usable.error()));
    if (impl_->ended) co_return fail(Errc::closed, "connection closed by peer");
    co_await impl_->yield_now_and_then();
    // The answer to what was just written is never there yet: to look for it is a call in vain.
    bool look = !std::exchange(impl_->just_wrote, false) || impl_->pending();
    while (true) {
        Until want = Until::readable;
        auto got = look ? impl_->try_read(buffer, want) : std::size_t{0};
        look = true;
        if (!got) {
            // A clean end leaves our direction open: the last replies may still be written.
            if (impl_->ended) co_return fail(std::move(got.error()));
            co_return impl_->give_up(std::move(got.error()));
        }
        if (*got > 0) co_return *got;
        impl_->without_wait = 0;
        auto waited = co_await impl_->socket->wait(want, deadline);
        if (!waited) co_return impl_->give_up(std::move(waited.error()));
    }
}

Task<Result<void>> Stream::wait_readable(Deadline deadline) {
    if (!impl_->socket->is_open()) co_return fail(Errc::closed, "the connection is closed already");
    if (impl_->ended) co_return fail(Errc::closed, "connection closed by peer");
    impl_->just_wrote = false; // what is there when this returns is read without another wait, cancelled or not
    if (impl_->pending()) co_return Result<void>();
    co_return co_await impl_->socket->wait(Until::readable, deadline);
}

Result<std::size_t> Stream::read_ready(std::span<char> buffer) {
    if (!impl_->socket->is_open()) return fail(Errc::closed, "the connection is closed already");
    if (impl_->ended) return fail(Errc::closed, "connection closed by peer");
    Until want = Until::readable;
    auto got = impl_->try_read(buffer, want);
    if (!got && !impl_->ended) impl_->socket->close();
    return got;
}

Task<Result<void>> Stream::write(std::string_view bytes, Deadline deadline) {
    if (auto usable = impl_->refuse_if_unusable(deadline); !usable) co_return usable;
    impl_->just_wrote = true;
    while (!bytes.empty()) {
        Until want = Until::writable;
        auto put = impl_->try_write(bytes, want);
        if (!put) co_return impl_->give_up(std::move(put.error()));
        bytes.remove_prefix(*put);
        if (*put > 0) {
            co_await impl_->yield_now_and_then();
            continue;
        }
        impl_->without_wait = 0;
        auto waited = co_await impl_->socket->wait(want, deadline);
        if (!waited) co_return impl_->give_up(std::move(waited.error()));
    }
    co_return Result<void>();
}

Task<Result<void>> Stream::start_tls(ssl_st* ssl, Side side, Deadline deadline) {
    DANELAW_CHECK(ssl != nullptr && impl_->ssl == nullptr);
    impl_->ssl.reset(ssl);
    if (auto usable = impl_->refuse_if_unusable(deadline); !usable) co_return usable;
    ignore_sigpipe(); // OpenSSL writes without MSG_NOSIGNAL
    if (SSL_set_fd(ssl, impl_->socket->fd()) != 1) {
        co_return impl_->give_up(Error{Errc::tls, tls_text("TLS set-up", ERR_peek_error())});
    }
    // An end without close_notify is common among mail servers; SMTP itself knows whether something is missing.
    SSL_set_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_set_read_ahead(ssl, 1); // one read for a record's header and body
    if (side == Side::client) {
        SSL_set_connect_state(ssl);
    } else {
        SSL_set_accept_state(ssl);
    }
    co_return co_await impl_->handshake(deadline);
}

ssl_st* Stream::ssl() const {
    return impl_->ssl.get();
}

Task<void> Stream::close_gently(Deadline deadline) {
    if (!impl_->socket->is_open()) co_return;
    if (impl_->in_tls) co_await impl_->send_close_notify(deadline);
    if (impl_->socket->is_open()) ::shutdown(impl_->socket->fd(), SHUT_WR);
    // Octets left unread at close() would turn into a reset that can overtake our last reply.
    std::array<char, 4096> sink; // what comes now is of no interest, TLS or not
    std::size_t dropped = 0;
    while (!impl_->ended && impl_->socket->is_open() && dropped < drained_at_close) {
        auto got = impl_->try_plain_read(sink);
        if (!got) break;
        dropped += *got;
        if (*got == 0 && !co_await impl_->socket->wait(Until::readable, deadline)) break;
    }
    close();
}

void Stream::close() {
    impl_->socket->close();
}
bool Stream::is_open() const {
    return impl_->socket->is_open() && !impl_->ended;
}
std::optional<Endpoint> Stream::peer() const {
    return impl_->peer;
}
std::optional<Endpoint> Stream::local() const {
    return impl_->local;
}
bool Stream::is_tls() const {
    return impl_->in_tls;
}
bool Stream::is_unix() const {
    return impl_->unix_domain;
}

} // namespace danelaw::net
