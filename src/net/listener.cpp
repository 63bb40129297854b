// Taking connections: on TCP, on a unix socket, or on a descriptor that the service manager opened.
#include "stream_priv.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace danelaw::net {

namespace asio = boost::asio;

namespace {

constexpr int backlog = 4096;
constexpr Millis out_of_descriptors_pause{100};

Result<void> start_listening(int fd, const std::string& address) {
    if (::listen(fd, backlog) == 0) return {};
    return fail(Errc::io, system_text("listen on " + address, errno));
}

// Is the socket file of a process that is gone in the way? Then it goes.
Result<void> clear_stale(const std::string& path) {
    struct stat facts{};
    if (::lstat(path.c_str(), &facts) != 0) return {};
    if (!S_ISSOCK(facts.st_mode)) return fail(Errc::io, "unix:" + path + ": exists and is not a socket");
    auto probe = make_socket(AF_UNIX);
    if (!probe) return fail(std::move(probe.error()));
    const int error = start_connect_unix(*probe, path);
    ::close(*probe);
    if (error != ECONNREFUSED) return fail(Errc::io, "unix:" + path + ": in use by another process");
    ::unlink(path.c_str());
    return {};
}

Result<void> bind_tcp(int fd, const Endpoint& endpoint) {
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // [::] is IPv6 alone, whatever the system's default: 0.0.0.0 is a listener of its own.
    if (endpoint.address.v6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    return bind_to(fd, endpoint);
}

// The mode is set before listen(): nobody can connect earlier.
Result<void> bind_unix(int fd, const std::string& path, unsigned mode) {
    if (auto cleared = clear_stale(path); !cleared) return cleared;
    if (auto bound = bind_to_unix(fd, path); !bound) return bound;
    if (::chmod(path.c_str(), mode) == 0) return {};
    return fail(Errc::io, system_text("chmod " + path, errno));
}

// Of a socket bound to a path; of one in the abstract namespace "@" and its name, which is no path.
std::string unix_path(int fd) {
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
    const std::size_t octets = std::min<std::size_t>(size, sizeof address) - offsetof(sockaddr_un, sun_path);
    if (octets > 0 && address.sun_path[0] == '\0') return "@" + std::string(address.sun_path + 1, octets - 1);
    return {address.sun_path, ::strnlen(address.sun_path, octets)};
}

int option(int fd, int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : 0;
}

bool out_of_resources(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

} // namespace

struct Listener::Impl {
    Impl(const asio::any_io_executor& executor, int fd) : socket(executor, fd), executor_(executor), pause(executor) {}
    ~Impl() { close(); }
    void close() {
        if (!unlink_at_close.empty() && socket.is_open()) ::unlink(unlink_at_close.c_str());
        socket.close();
        pause.cancel();
    }

    Descriptor socket;
    asio::any_io_executor executor_;
    asio::steady_timer pause;
    std::string address;
    std::string unlink_at_close;
};

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() {
    if (impl_) impl_->close();
}

Result<Listener> Listener::open(asio::any_io_executor executor, const std::string& address, unsigned unix_mode) {
    const bool unix_domain = address.starts_with("unix:");
    const std::string path = unix_domain ? address.substr(5) : "";
    const auto endpoint = unix_domain ? std::nullopt : Endpoint::parse(address);
    if (unix_domain ? !fits_unix_path(path) : !endpoint)
        return fail(Errc::config, address + ": not an address to listen on");

    auto fd = make_socket(unix_domain ? AF_UNIX : endpoint->address.v6 ? AF_INET6 : AF_INET);
    if (!fd) return fail(std::move(fd.error()));
    auto impl = std::make_shared<Impl>(executor, *fd);
    auto bound = unix_domain ? bind_unix(*fd, path, unix_mode) : bind_tcp(*fd, *endpoint);
    if (!bound) return fail(std::move(bound.error()));
    if (unix_domain) impl->unlink_at_close = path;
    if (auto listening = start_listening(*fd, address); !listening) return fail(std::move(listening.error()));
    impl->address = unix_domain ? address : local_endpoint(*fd).value_or(*endpoint).text();
    return Listener(std::move(impl));
}

Result<std::string> listening_address(int descriptor) {
    const auto name = "descriptor " + std::to_string(descriptor);
    if (option(descriptor, SOL_SOCKET, SO_TYPE) != SOCK_STREAM || option(descriptor, SOL_SOCKET, SO_ACCEPTCONN) == 0)
        return fail(Errc::config, name + " is not a stream socket that listens");
    const int domain = option(descriptor, SOL_SOCKET, SO_DOMAIN);
    if (domain == AF_UNIX) return "unix:" + unix_path(descriptor);
    const auto local = local_endpoint(descriptor);
    if (!local) return fail(Errc::config, name + " listens, but neither on TCP nor on a unix socket");
    // Whoever configures [::] means IPv6 alone, as where we bind ourselves: never open wider than was written.
    const bool wider =
        domain == AF_INET6 && local->address.is_unspecified() && option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
    if (wider) return fail(Errc::config, local->text() + " takes IPv4 too: BindIPv6Only=ipv6-only is missing");
    return local->text();
}

Result<Listener> Listener::adopt(asio::any_io_executor executor, int descriptor) {
    auto address = listening_address(descriptor);
    if (!address) return fail(std::move(address.error()));
    auto impl = std::make_shared<Impl>(executor, descriptor);
    impl->address = std::move(*address);
    return Listener(std::move(impl));
}

Task<Result<Stream>> Listener::accept() {
    const auto impl = impl_;
    while (impl->socket.is_open()) {
        const int fd = ::accept4(impl->socket.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            co_return Stream(std::make_unique<Stream::Impl>(std::make_unique<Descriptor>(impl->executor_, fd)));
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            auto waited = co_await impl->socket.wait(Until::readable, Deadline::max());
            if (!waited) co_return fail(std::move(waited.error()));
        } else if (out_of_resources(errno)) {
            // The connection waits in the backlog meanwhile; other connections end and give descriptors back.
            impl->pause.expires_after(out_of_descriptors_pause);
            const auto [ec] = co_await impl->pause.async_wait(asio::as_tuple(asio::use_awaitable));
            if (ec) break;
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            co_return fail(Errc::io, system_text("accept on " + impl->address, errno));
        } // else: that one connection's own trouble (accept(2)); on to the next
    }
    co_return fail(Errc::cancelled, "the listener is closed");
}

void Listener::close() {
    impl_->close();
}
std::string Listener::address() const {
    return impl_->address;
}

} // namespace danelaw::net
