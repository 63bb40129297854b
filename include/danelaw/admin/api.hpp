// The admin API: what the CLI, Prometheus and the web page ask of a running daemon. One function from request to
// response. Runs on the main io thread. docs/api.md lists the endpoints.
#pragma once

#include "danelaw/admin/access.hpp"
#include "danelaw/admin/counters.hpp"
#include "danelaw/admin/views.hpp"
#include "danelaw/config/settings.hpp"
#include "danelaw/delivery/agent.hpp"
#include "danelaw/delivery/check.hpp"
#include "danelaw/http/message.hpp"
#include "danelaw/log/log.hpp"
#include "danelaw/report/notices.hpp"
#include "danelaw/store/queue.hpp"

#include <boost/json/value.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace danelaw::admin {

template <class T> using Task = boost::asio::awaitable<T>;

// What the daemon lends to the API. References outlive the server; functions are called on its thread.
struct Context {
    store::Queue& queue;
    const Clock& clock;
    log::Log& log;
    Counters& counters;
    Time started{};
    std::function<resolver::Resolver::Counters()> dns{};
    std::function<std::vector<std::string>()> problems{};                  // for health; empty when all is well
    std::function<std::vector<std::string>()> warnings{};                  // to be looked at, but mail flows
    std::function<std::shared_ptr<const report::NoticeMaker>()> notices{}; // of the configuration now in force
    std::function<void()> holds_changed{};                                 // the rules by which arriving mail is held
    std::function<std::vector<config::Token>()> tokens{};                  // empty when none is demanded
    std::function<std::shared_ptr<const config::Settings>()> settings{};   // the configuration now in force
    std::function<delivery::Pool::Stats()> connections{};
    // `danelaw check`, by the daemon's own router and cache.
    std::function<Task<boost::json::object>(delivery::CheckRequest request)> check{};
    std::size_t checking = 0;        // checks under way
    std::function<void()> flushed{}; // after flush or release: destinations are to be tried anew, at once
    // TLS reports of a day ("" is yesterday), shown or sent; null until wired.
    std::function<Task<Result<boost::json::value>>(std::string day)> tlsrpt_show{};
    std::function<Task<Result<boost::json::value>>(std::string day, bool dry_run)> tlsrpt_send{};
};

Task<http::Response> handle(Context& context, http::Request request);

// What there is, from the table that answers: `GET /api` shows it, and docs/openapi.yaml is held against it.
struct EndpointName {
    std::string_view method, path; // {id} stands for one segment
    Right needs;
};
std::vector<EndpointName> endpoints();

} // namespace danelaw::admin
