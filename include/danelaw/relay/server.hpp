// The SMTP server: takes mail from local MTAs and applications into the queue (SS-001…).
// On one io thread: construct, listen, run; stop_accepting and drain at the end. Sessions are coroutines that it
// owns. 250 to a message means that the queue has it on stable storage (SS-052).
#pragma once

#include "danelaw/base/time.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/net/stream.hpp"
#include "danelaw/relay/access.hpp"
#include "danelaw/store/queue.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace danelaw::relay {

// Signs content that streams by (DKIM); made anew for each message.
class ContentSigner {
  public:
    virtual ~ContentSigner() = default;
    virtual void feed(std::string_view octets) = 0; // header, blank line, body, in any split
    virtual Result<std::string> finish() = 0;       // the signature's field with its CRLF; "" for none
};

struct Parts {
    boost::asio::any_io_executor executor;
    store::Queue& queue;
    log::Log& log;
    const Clock& clock;
    std::function<std::shared_ptr<const config::Settings>()>
        settings;                                                // the present ones; read by listen() and reload()
    std::function<void(std::vector<store::Job>)> accepted;       // new jobs for the scheduler, after the commit
    std::function<std::unique_ptr<ContentSigner>()> signer = {}; // null function or result: no signature
    std::function<bool()> overloaded = {};                       // the rest of the program cannot keep up (SS-029)
    std::function<Bytes()> free_disk = {};                       // default: what statvfs says of queue.path
    Millis penalty = std::chrono::milliseconds(50);              // delay step after wrong commands (SS-016)
};

struct Counter {
    std::string_view name, help;
    std::uint64_t value = 0;
};

class Server {
  public:
    explicit Server(Parts parts);
    ~Server(); // after drain(): sessions are joined before their server goes

    // Reads certificates and users and opens every listener of the settings; errc::config or errc::io names which and
    // why. One whose address is a key of `inherited` takes that descriptor instead, which listens already.
    Result<void> listen(const std::map<std::string, int>& inherited = {});
    std::vector<std::string> addresses() const; // as bound, ports filled in
    net::Task<void> run();                      // accepts until stop_accepting()
    void stop_accepting();
    // Idle sessions get 421; what is past its final dot is finished and answered (SS-027). At the deadline the rest is
    // cut.
    net::Task<void> drain(net::Deadline deadline);
    // Settings, certificates and users anew, for new sessions and the next MAIL of others (SS-077, SS-095); the old
    // ones stay when the new can't be read. Addresses are not bound anew.
    Result<void> reload();

    std::size_t sessions() const;
    std::vector<Counter> counters() const; // for metrics: danelaw_smtp_…

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace danelaw::relay
