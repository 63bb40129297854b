// "There is something to do": a signal with room for one. A notice that comes while nobody waits is kept, so that it
// can't be lost; two of them are one. notify() may be called from any thread; wait() from one coroutine at a time.
#pragma once

#include "danelaw/net/stream.hpp"

#include <memory>

namespace danelaw::net {

class Wakeup {
  public:
    explicit Wakeup(boost::asio::any_io_executor executor);
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;
    ~Wakeup();

    void notify();
    enum class Woken { notified, timed_out, cancelled };
    Task<Woken> wait(Deadline deadline = Deadline::max());

  private:
    struct State;
    std::shared_ptr<State> state_;
};

// Waits until then; errc::cancelled when the task is cancelled.
Task<Result<void>> pause_until(Deadline deadline);

} // namespace danelaw::net
