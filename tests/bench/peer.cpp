// Sockets, TLS and epoll, as little of them as a load generator needs.
#include "peer.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace bench {
namespace {

sockaddr_in endpoint(const std::string& address, int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(static_cast<std::uint16_t>(port));
    if (inet_pton(AF_INET, address.c_str(), &out.sin_addr) != 1) die("not an IPv4 address: " + address);
    return out;
}

} // namespace

Peer::~Peer() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    ::close(fd_);
}

void Peer::begin_tls(SSL_CTX* context, bool as_server) {
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd_);
    as_server ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
    shaking = true;
}

Peer::Step Peer::verdict(int returned) {
    switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ: return Step::again;
    case SSL_ERROR_WANT_WRITE: wants_write_ = true; return Step::again;
    default: ERR_clear_error(); return Step::closed;
    }
}

Peer::Step Peer::handshake() {
    wants_write_ = false;
    const int done = SSL_do_handshake(ssl_);
    if (done != 1) return verdict(done);
    shaking = false;
    return Step::done;
}

Peer::Step Peer::read(std::string& in) {
    constexpr std::size_t piece = 64 * 1024;
    for (int round = 0; round < 4; ++round) {
        const auto held = in.size();
        in.resize(held + piece);
        ssize_t got = 0;
        if (ssl_ != nullptr) {
            const int n = SSL_read(ssl_, in.data() + held, static_cast<int>(piece));
            in.resize(held + (n > 0 ? static_cast<std::size_t>(n) : 0));
            if (n <= 0) return verdict(n);
            continue; // a record at a time: ask until there is no more
        }
        got = ::recv(fd_, in.data() + held, piece, 0);
        in.resize(held + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (got == 0) return Step::closed;
        if (got < 0) return errno == EAGAIN || errno == EINTR ? Step::again : Step::closed;
        if (static_cast<std::size_t>(got) < piece) return Step::again;
    }
    return Step::done; // more may be there; epoll is level-triggered, but OpenSSL may hold octets: call again
}

Peer::Step Peer::write(std::string_view octets, std::size_t& sent) {
    while (sent < octets.size()) {
        const auto rest = octets.substr(sent);
        if (ssl_ != nullptr) {
            const int n = SSL_write(ssl_, rest.data(), static_cast<int>(std::min<std::size_t>(rest.size(), 1 << 20)));
            if (n <= 0) {
                const auto step = verdict(n);
                if (step == Step::again) wants_write_ = true;
                return step;
            }
            sent += static_cast<std::size_t>(n);
            continue;
        }
        const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) return Step::closed;
            wants_write_ = true;
            return Step::again;
        }
        sent += static_cast<std::size_t>(n);
    }
    return Step::done;
}

Peer::Step Peer::flush() {
    wants_write_ = false;
    std::size_t sent = 0;
    auto step = write(out_, sent);
    out_.erase(0, sent);
    if (step != Step::done) return step;
    sent = 0;
    step = write(tail_, sent);
    tail_.remove_prefix(sent);
    return step;
}

Poll::Poll() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}

void Poll::add(int fd, void* tag) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = tag;
    if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

void Poll::watch(const Peer& peer, void* tag) const {
    epoll_event event{};
    event.events = EPOLLIN | (peer.wants_write() ? EPOLLOUT : 0U);
    event.data.ptr = tag;
    epoll_ctl(fd_, EPOLL_CTL_MOD, peer.fd(), &event);
}

int Poll::wait(epoll_event* events, int most, std::int64_t until) const {
    int ms = -1;
    if (until >= 0) ms = static_cast<int>(std::max<std::int64_t>(0, (until - now() + 999999) / 1000000));
    return epoll_wait(fd_, events, most, ms);
}

int listen_on(const std::string& address, int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const auto at = endpoint(address, port);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 4096) != 0)
        die("can't listen on " + address + ": " + std::strerror(errno));
    return fd;
}

int connect_to(const std::string& address, int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto at = endpoint(address, port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
        die("can't connect to " + address + ": " + std::strerror(errno));
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int mode = 1;
    ioctl(fd, FIONBIO, &mode);
    return fd;
}

SSL_CTX* server_context(const std::string& certificate, const std::string& key) {
    auto* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
        die("can't use " + certificate + " with " + key);
    return context;
}

SSL_CTX* client_context() {
    auto* context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return context;
}

} // namespace bench
