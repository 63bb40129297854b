// `danelaw check DOMAIN`: what delivery would do right now, by delivery's own router, planner, channel and verifier
// (DANE-130). Needs no daemon.
#include "commands.hpp"
#include "local.hpp"

#include "danelaw/delivery/check.hpp"
#include "danelaw/delivery/resolver_options.hpp"
#include "danelaw/delivery/routing_settings.hpp"
#include "danelaw/delivery/sts_fetcher.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>

namespace danelaw::cli {
namespace {

// MTA-STS keeps its cache in a queue store; the daemon's may be in use, so that this run has one of its own.
class Scratch {
  public:
    static Result<std::unique_ptr<Scratch>> make() {
        std::string path = std::filesystem::temp_directory_path() / "danelaw-check-XXXXXX";
        if (::mkdtemp(path.data()) == nullptr) return fail(Errc::io, "can't make a directory under " + path);
        auto scratch = std::unique_ptr<Scratch>(new Scratch(path));
        store::EmbeddedOptions options;
        options.directory = path;
        options.ballast = 0;
        auto opened = store::open_embedded(std::move(options));
        if (!opened) return fail(opened.error());
        scratch->queue_ = std::move(opened->queue);
        return scratch;
    }
    ~Scratch() {
        if (queue_) queue_->stop();
        queue_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    store::Queue& queue() { return *queue_; }

  private:
    explicit Scratch(std::string path) : path_(std::move(path)) {}
    std::string path_;
    std::unique_ptr<store::Queue> queue_;
};

using Report = std::unique_ptr<delivery::CheckReport>;

delivery::Task<Report> examine(delivery::Router& router, tls::Client& tls, delivery::StsFetcher& sts,
                               delivery::ChannelRules rules, delivery::CheckRequest request) {
    auto report = co_await delivery::check(router, tls, std::move(rules), std::move(request));
    co_await sts.stop();
    co_return report;
}

Result<Report> run_check(const config::Settings& settings, const delivery::CheckRequest& request) {
    auto scratch = Scratch::make();
    if (!scratch) return fail(scratch.error());
    boost::asio::io_context io(1);
    const SystemClock clock;
    SystemRng rng;
    const auto log = log::make({log::Level::error, log::Format::text, "stderr"});
    auto resolver = resolver::make_unbound(io.get_executor(), delivery::resolver_options(settings));
    if (!resolver) return fail(resolver.error());
    tls::Client tls;
    delivery::StsFetcher::Parts parts{io.get_executor(),
                                      **resolver,
                                      (*scratch)->queue(),
                                      tls,
                                      *log,
                                      clock,
                                      [&settings] { return settings.tls.ca_file; }};
    delivery::StsFetcher sts(std::move(parts));
    delivery::Router router(**resolver, &sts, clock, rng,
                            delivery::router_settings(settings, delivery::local_addresses()));
    Result<Report> answer = fail(Errc::dns, "the check did not end");
    const auto done = [&](const std::exception_ptr& bug, Report report) {
        if (!bug) answer = std::move(report);
        io.stop();
    };
    boost::asio::co_spawn(io, examine(router, tls, sts, delivery::channel_rules(settings), request), done);
    io.run();
    (*scratch)->queue().stop(); // its threads still let go of the loop's executor
    return answer;
}

} // namespace

int check(const Check& asked, Console console) {
    delivery::CheckRequest request;
    const auto lane = delivery::check_lane(asked.domain);
    if (!lane) {
        console.err << "danelaw: not a domain: " << printable(asked.domain, 255) << "\n";
        return Exit::usage;
    }
    request.lane = *lane;
    request.at = SystemClock().now();
    request.probing = asked.no_probe ? delivery::Probing::no : delivery::Probing::yes;
    if (!asked.mx.empty()) {
        request.only_mx = dns::Name::from(asked.mx);
        if (!request.only_mx) {
            console.err << "danelaw: not a host name: " << printable(asked.mx, 255) << "\n";
            return Exit::usage;
        }
    }
    const auto settings = local_settings(asked.config);
    if (!settings) {
        console.err << "danelaw: " << settings.error().detail << "\n";
        return Exit::usage;
    }
    const auto report = run_check(*settings, request);
    if (!report) {
        console.err << "danelaw: " << report.error().detail << "\n";
        return Exit::usage;
    }
    const boost::json::object view = delivery::to_json(**report, request);
    if (asked.json) {
        console.out << boost::json::serialize(view) << "\n";
    } else {
        render_check(console.out, view);
    }
    return (*report)->verdict == Verdict::delivered ? Exit::ok : Exit::no;
}

} // namespace danelaw::cli
