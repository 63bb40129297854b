// How does a coroutine wait for a socket until a deadline? One descriptor, its one timer, and the translation of what
// ended the wait. Every wait of this module goes through here. Private to net.
#pragma once

#include "danelaw/net/stream.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>

namespace danelaw::net {

enum class Until { readable, writable };

// The timer is set lazily: it is only set anew when a deadline lies before the time it is set to, since nearly every
// wait ends long before its deadline. Its handler may outlive the descriptor, hence the shared ownership.
class Watch : public std::enable_shared_from_this<Watch> {
  public:
    Watch(const boost::asio::any_io_executor& executor, boost::asio::posix::stream_descriptor& target)
        : timer_(executor), target_(&target) {}
    void begin(Deadline limit);
    bool end();    // did the deadline pass?
    void forget(); // the target is about to go

  private:
    void arm(Deadline when);
    void fired();

    boost::asio::steady_timer timer_;
    boost::asio::posix::stream_descriptor* target_;
    Deadline limit_ = Deadline::max();
    Deadline armed_ = Deadline::max();
    bool passed_ = false;
};

class Descriptor {
  public:
    Descriptor(const boost::asio::any_io_executor& executor, int fd);
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    // errc::timeout after the deadline; errc::cancelled when closed meanwhile, or when the task was cancelled before or
    // during the wait: a cancelled task never waits again.
    Task<Result<void>> wait(Until until, Deadline deadline);
    int fd() { return descriptor_.native_handle(); }
    bool is_open() const { return descriptor_.is_open(); }
    void close();

  private:
    boost::asio::posix::stream_descriptor descriptor_;
    std::shared_ptr<Watch> watch_;
};

// "connect: Connection refused"
std::string system_text(std::string_view what, int error);
Result<int> make_socket(int family);
void set_no_delay(int fd);

// Socket addresses and Endpoint values.
std::optional<Endpoint> local_endpoint(int fd);
std::optional<Endpoint> peer_endpoint(int fd);
Result<void> bind_to(int fd, const Endpoint& endpoint);
// 0, or errno (EINPROGRESS when it is under way).
int start_connect(int fd, const Endpoint& endpoint);
int start_connect_unix(int fd, const std::string& path);
Result<void> bind_to_unix(int fd, const std::string& path);
bool fits_unix_path(std::string_view path);

} // namespace danelaw::net
