// Opening a connection to somebody, until a deadline.
#include "stream_priv.hpp"

#include <boost/asio/this_coro.hpp>

#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

namespace danelaw::net {
namespace {

// The outcome of a connect that was under way.
int pending_error(int fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

Error refused(const std::string& where, int error) {
    return Error{error == ETIMEDOUT ? Errc::timeout : Errc::io, system_text("connect to " + where, error)};
}

// Waits until the connect that `started` (errno or 0) is done.
Task<Result<void>> finish(Descriptor& socket, int started, std::string where, Deadline deadline) {
    if (started == 0) co_return Result<void>();
    if (started != EINPROGRESS && started != EAGAIN) co_return fail(refused(where, started));
    auto waited = co_await socket.wait(Until::writable, deadline);
    if (!waited) co_return fail(waited.error().code, "connect to " + where + ": " + waited.error().detail);
    const int error = pending_error(socket.fd());
    if (error != 0) co_return fail(refused(where, error));
    co_return Result<void>();
}

Result<void> bind_source(int fd, const Endpoint& to, const std::optional<IpAddress>& source) {
    if (!source) return {};
    if (source->v6 != to.address.v6) return fail(Errc::io, "source address of another family than " + to.text());
    const int on = 1; // leaves the choice of the port to connect(), where many more are free
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind_to(fd, Endpoint{*source, 0});
}

} // namespace

Task<Result<Stream>> connect(Endpoint to, std::optional<IpAddress> source, Deadline deadline) {
    const auto executor = co_await boost::asio::this_coro::executor;
    auto fd = make_socket(to.address.v6 ? AF_INET6 : AF_INET);
    if (!fd) co_return fail(std::move(fd.error()));
    auto socket = std::make_unique<Descriptor>(executor, *fd);
    if (auto bound = bind_source(*fd, to, source); !bound) co_return fail(std::move(bound.error()));
    auto done = co_await finish(*socket, start_connect(*fd, to), to.text(), deadline);
    if (!done) co_return fail(std::move(done.error()));
    co_return Stream(std::make_unique<Stream::Impl>(std::move(socket)));
}

Task<Result<Stream>> connect_unix(std::string path, Deadline deadline) {
    const auto executor = co_await boost::asio::this_coro::executor;
    if (!fits_unix_path(path)) co_return fail(Errc::io, "connect to unix:" + path + ": path too long");
    auto fd = make_socket(AF_UNIX);
    if (!fd) co_return fail(std::move(fd.error()));
    auto socket = std::make_unique<Descriptor>(executor, *fd);
    auto done = co_await finish(*socket, start_connect_unix(*fd, path), "unix:" + path, deadline);
    if (!done) co_return fail(std::move(done.error()));
    co_return Stream(std::make_unique<Stream::Impl>(std::move(socket)));
}

} // namespace danelaw::net
