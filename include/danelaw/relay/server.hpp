// The way in: listeners and SMTP sessions that take mail to relay. 250 to the end of a message only when it is on
// stable storage (DQ-001, SS-052). Never an open relay (SS-090). One thread. Spec: smtp-server.md.
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/config/settings.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/net/stream.hpp"
#include "danelaw/store/queue.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace danelaw::relay {

template <class T> using Task = boost::asio::awaitable<T>;

struct Parts {
    boost::asio::any_io_executor executor;
    store::Queue& queue;
    log::Log& log;
    const Clock& clock;
    std::function<std::shared_ptr<const config::Settings>()>
        settings;                                          // sessions take the present one at each MAIL (SS-095)
    std::function<void(std::vector<store::Job>)> accepted; // new work, after its commit
};

class Server {
  public:
    explicit Server(Parts parts);
    ~Server();
    // Opens every listener of the settings, with its certificate; errc::config or errc::io names which and why.
    Result<void> listen();
    std::vector<std::string> addresses() const; // as bound
    // Serves until stop_accepting().
    Task<void> run();
    void stop_accepting();
    // Idle sessions get 421; those that store a message finish it. Ends by the deadline.
    Task<void> drain(net::Deadline deadline);
    // Certificates and users anew; the old ones stay when the new can't be read (SS-077, SS-095).
    Result<void> reload();
    std::size_t sessions() const;

    struct State; // shared with the sessions, inside src/relay

  private:
    std::unique_ptr<State> state_;
};

} // namespace danelaw::relay
