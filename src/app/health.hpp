// Is the daemon as it should be? What can be wrong without any message failing yet: DNSSEC that stopped validating, a
// disk that fills, policies about to end. Asked by /health, `status` and the metrics.
#pragma once

#include "danelaw/config/settings.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/net/stream.hpp"
#include "danelaw/resolver/resolver.hpp"
#include "danelaw/store/queue.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace danelaw::app {

// Pure: DANE is off in silence when lookups go on and none is secure any more, though some were (DANE-010).
bool secure_answers_vanished(const resolver::Resolver::Counters& before, const resolver::Resolver::Counters& then,
                             const resolver::Resolver::Counters& now);
// Pure: entries that end within a week, in words (D-27).
std::vector<std::string> ending_policies(const std::vector<config::PolicyEntry>& policies, Time now);

class Health {
  public:
    struct Parts {
        resolver::Resolver& resolver;
        store::Queue& queue;
        log::Log& log;
        const Clock& clock;
        std::function<std::shared_ptr<const config::Settings>()> settings;
    };
    explicit Health(Parts parts) : parts_(std::move(parts)) {}

    // Proves the trust anchors at once and from time to time, and watches the share of secure answers; ends when
    // cancelled.
    net::Task<void> watch();
    std::vector<std::string> problems() const; // empty: all is well
    std::vector<std::string> warnings() const; // to be looked at, but mail flows as it should

  private:
    net::Task<void> prove();
    void watch_share();
    Parts parts_;
    std::string trust_problem_;
    bool said_ = false;
    std::optional<resolver::Resolver::Counters> earlier_, last_;
    bool vanished_ = false;
    std::int64_t warned_day_ = 0;
};

} // namespace danelaw::app
