// One connection, plain or TLS, behind one non-template class: the only place where sockets and TLS streams differ.
// Every operation has a deadline. After a time-out or an error the stream is closed, never read again (style 4.5).
// A stream lives on one thread for life and is owned by exactly one coroutine.
#pragma once

#include "danelaw/base/ip.hpp"
#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace danelaw::net {

template <class T> using Task = boost::asio::awaitable<T>;

// When something must have ended. A trickling peer cannot stretch it (SC-035).
using Deadline = std::chrono::steady_clock::time_point;
inline Deadline deadline_after(Millis d) {
    return std::chrono::steady_clock::now() + d;
}

class Stream {
  public:
    struct Impl; // an Asio socket and, after start_tls, the SSL object over it
    explicit Stream(std::unique_ptr<Impl> impl);
    Stream(Stream&&) noexcept;
    Stream& operator=(Stream&&) noexcept;
    ~Stream(); // closes without ceremony

    // A task that was cancelled gets errc::cancelled from every wait; nothing throws.
    //
    // Reads at least one octet, at most buffer.size(). errc::closed at a clean end; an EOF without close_notify is
    // errc::closed as well (the SMTP layer knows whether data are missing).
    Task<Result<std::size_t>> read_some(std::span<char> buffer, Deadline deadline);
    // Waits until there is something to read. A time-out or a cancel leaves the stream as it was, so that a last word
    // (421) can still be said.
    Task<Result<void>> wait_readable(Deadline deadline);
    // Reads what is there already without waiting; 0 when nothing is. Used to detect early talkers and stale replies.
    Result<std::size_t> read_ready(std::span<char> buffer);
    // Writes everything, or fails.
    Task<Result<void>> write(std::string_view bytes, Deadline deadline);

    enum class Side { client, server };
    // Starts TLS over the live socket. `ssl` was made by the tls module with its verification set up; ownership passes.
    // The caller has made sure that no unread octets are buffered above (RFC 3207 4, DANE-116, SS-071).
    Task<Result<void>> start_tls(ssl_st* ssl, Side side, Deadline deadline);
    // For reading facts of the handshake; null in clear text. It stays readable after a failed handshake and after
    // close().
    ssl_st* ssl() const;

    // Sends close_notify when in TLS, then FIN; waits no longer than the deadline.
    Task<void> close_gently(Deadline deadline);
    void close();         // at once
    bool is_open() const; // neither closed by us nor ended by the peer, as far as reading has shown

    // Peer and local address; nullopt for unix sockets.
    std::optional<Endpoint> peer() const;
    std::optional<Endpoint> local() const;
    bool is_tls() const;
    bool is_unix() const;

  private:
    std::unique_ptr<Impl> impl_;
};

// Connects over TCP with TCP_NODELAY. `source`: bind to it first (family must agree).
Task<Result<Stream>> connect(Endpoint to, std::optional<IpAddress> source, Deadline deadline);
Task<Result<Stream>> connect_unix(std::string path, Deadline deadline);

// Where an inherited socket listens, as Listener::address() says it; Errc::config where it does not, or listens wider
// than that address tells.
Result<std::string> listening_address(int descriptor);

// A bound, listening socket. "127.0.0.1:2525", "[::1]:25", "unix:/run/x.sock", or an inherited descriptor
// (socket activation).
class Listener {
  public:
    struct Impl;
    // A unix socket file left by a process that is gone is replaced; one that answers is not.
    static Result<Listener> open(boost::asio::any_io_executor executor, const std::string& address,
                                 unsigned unix_mode = 0666);
    // A unix socket's file stays at close(): it is not ours.
    static Result<Listener> adopt(boost::asio::any_io_executor executor, int descriptor);
    Listener(Listener&&) noexcept;
    Listener& operator=(Listener&&) noexcept;
    ~Listener();

    // Waits for the next connection; errc::cancelled after close(). Out of descriptors: waits a moment and goes on.
    Task<Result<Stream>> accept();
    void close();                // stops accepting; a unix socket file is removed
    std::string address() const; // as bound, port filled in

  private:
    explicit Listener(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_; // shared with a pending accept()
};

// OpenSSL writes to sockets without MSG_NOSIGNAL: a peer that left must be an error, not a signal. start_tls() calls it
// too.
void ignore_sigpipe();

} // namespace danelaw::net
