// Socket addresses of the operating system as Endpoint values and back.
#include "descriptor_priv.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace danelaw::net {
namespace {

struct Raw {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Raw raw(const Endpoint& endpoint) {
    Raw out;
    if (endpoint.address.v6) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(endpoint.port);
        std::memcpy(&six.sin6_addr, endpoint.address.octets.data(), 16);
        std::memcpy(&out.storage, &six, sizeof six);
        out.size = sizeof six;
    } else {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(endpoint.port);
        std::memcpy(&four.sin_addr, endpoint.address.octets.data(), 4);
        std::memcpy(&out.storage, &four, sizeof four);
        out.size = sizeof four;
    }
    return out;
}

std::optional<Endpoint> value(const Raw& in) {
    if (in.storage.ss_family == AF_INET6) {
        sockaddr_in6 six{};
        std::memcpy(&six, &in.storage, sizeof six);
        return Endpoint{IpAddress::from_v6(six.sin6_addr.s6_addr), ntohs(six.sin6_port)};
    }
    if (in.storage.ss_family == AF_INET) {
        sockaddr_in four{};
        std::memcpy(&four, &in.storage, sizeof four);
        return Endpoint{IpAddress::from_v4(reinterpret_cast<const std::uint8_t*>(&four.sin_addr)),
                        ntohs(four.sin_port)};
    }
    return std::nullopt;
}

Raw raw_unix(const std::string& path) {
    Raw out;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = sizeof address;
    return out;
}

int connect_raw(int fd, Raw& to) {
    while (::connect(fd, to.get(), to.size) != 0) {
        if (errno != EINTR) return errno;
    }
    return 0;
}

} // namespace

Result<int> make_socket(int family) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(Errc::io, system_text("socket", errno));
    return fd;
}

// Without it a dialogue of short lines waits some 40 ms for delayed acknowledgements, again and again.
void set_no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // refused on unix sockets, where it is not needed
}

std::optional<Endpoint> local_endpoint(int fd) {
    Raw address;
    if (::getsockname(fd, address.get(), &address.size) != 0) return std::nullopt;
    return value(address);
}

std::optional<Endpoint> peer_endpoint(int fd) {
    Raw address;
    if (::getpeername(fd, address.get(), &address.size) != 0) return std::nullopt;
    return value(address);
}

Result<void> bind_to(int fd, const Endpoint& endpoint) {
    Raw address = raw(endpoint);
    if (::bind(fd, address.get(), address.size) == 0) return {};
    return fail(Errc::io, system_text("bind to " + endpoint.text(), errno));
}

bool fits_unix_path(std::string_view path) {
    return !path.empty() && path.size() < sizeof(sockaddr_un{}.sun_path);
}

Result<void> bind_to_unix(int fd, const std::string& path) {
    Raw address = raw_unix(path);
    if (::bind(fd, address.get(), address.size) == 0) return {};
    return fail(Errc::io, system_text("bind to unix:" + path, errno));
}

int start_connect(int fd, const Endpoint& endpoint) {
    Raw address = raw(endpoint);
    return connect_raw(fd, address);
}

int start_connect_unix(int fd, const std::string& path) {
    Raw address = raw_unix(path);
    return connect_raw(fd, address);
}

} // namespace danelaw::net
