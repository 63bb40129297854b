// Putting the parts together: what is opened, in which order, and what each is lent. Its life: life.cpp.
#include "daemon.hpp"

#include "descriptors.hpp"
#include "inherited.hpp"

#include "danelaw/delivery/resolver_options.hpp"
#include "danelaw/delivery/routing_settings.hpp"

#include <systemd/sd-daemon.h>

namespace danelaw::app {
namespace {

constexpr Millis shortest_pause = std::chrono::milliseconds(200);
constexpr Millis longest_pause = std::chrono::seconds(2);

// Null when none is configured.
Result<std::shared_ptr<const dkim::Keys>> keys_of(const std::vector<config::DkimKey>& settings) {
    std::vector<dkim::KeySource> sources;
    for (const auto& key : settings)
        if (!key.domain.empty()) sources.push_back({key.domain, key.selector, key.private_key});
    if (sources.empty()) return std::shared_ptr<const dkim::Keys>();
    return dkim::Keys::load(sources);
}

class RelaySigner final : public relay::ContentSigner {
  public:
    explicit RelaySigner(std::shared_ptr<const dkim::Keys> keys) : signer_(std::move(keys)) {}
    void feed(std::string_view octets) override { signer_.feed(octets); }
    Result<std::string> finish() override { return signer_.finish(); }

  private:
    dkim::Signer signer_;
};

} // namespace

log::Options log_options(const config::LogSettings& settings) {
    log::Options options;
    switch (settings.level) {
    case config::LogLevel::debug: options.level = log::Level::debug; break;
    case config::LogLevel::info: options.level = log::Level::info; break;
    case config::LogLevel::warn: options.level = log::Level::warn; break;
    case config::LogLevel::error: options.level = log::Level::error; break;
    }
    options.format = settings.format == config::LogFormat::json ? log::Format::json : log::Format::text;
    options.target = settings.target;
    return options;
}

Daemon::Daemon(config::Settings settings)
    : settings_(std::make_shared<const config::Settings>(settings)),
      log_(std::make_unique<admin::CountingLog>(log::make(log_options(settings_->log)), counters_, clock_)) {
    auto bug = [this](const std::string& task, const std::string& what) {
        log_->event(log::Level::error, "bug", {{"task", task}, {"text", what}});
    };
    tasks_ = std::make_unique<net::TaskGroup>(io_.get_executor(), std::move(bug));
    settings_ = in_force(std::move(settings));
}

Daemon::SettingsPtr Daemon::in_force(config::Settings settings) {
    const std::string less = fit_descriptors(settings);
    if (!less.empty()) log_->event(log::Level::warn, "limits", {{"text", less}});
    return std::make_shared<const config::Settings>(std::move(settings));
}

Daemon::~Daemon() = default;

Result<void> Daemon::open_queue() {
    const auto began = std::chrono::steady_clock::now();
    Result<store::Opened> opened;
    switch (settings_->queue.store) {
    case config::StoreKind::sqlite: {
        store::EmbeddedOptions options;
        options.directory = settings_->queue.path;
        opened = store::open_embedded(std::move(options));
        break;
    }
    case config::StoreKind::postgres: opened = open_shared(); break;
    }
    if (!opened) return fail(opened.error());
    queue_ = std::move(opened->queue);
    const auto took = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - began);
    log_->event(log::Level::info, "queue-open", {{"ms", took.count()}}); // DQ-007
    for (const std::string& p : opened->problems) log_->event(log::Level::error, "store", {{"text", p}});
    for (const std::string& d : queue_->damaged())
        log_->event(log::Level::error, "store", {{"text", "set aside as damaged: " + d}});
    return {};
}

// A database that isn't there yet is waited for: in a cluster things start in any order. Nothing is accepted meanwhile.
Result<store::Opened> Daemon::open_shared() {
    store::PostgresOptions options;
    options.conninfo = settings_->queue.postgres;
    options.owner = settings_->hostname + "/" + random_token(4); // a process's own: names may be the same in containers
    std::string said;
    for (auto pause = shortest_pause;; pause = std::min(pause * 2, longest_pause)) {
        auto opened = store::open_shared(options);
        if (opened || opened.error().code != Errc::unavailable) return opened;
        if (opened.error().detail != said) {
            said = opened.error().detail;
            log_->event(log::Level::error, "store", {{"text", "waiting for the database: " + said}});
        }
        ::sd_notifyf(0, "STATUS=waiting for the database\nEXTEND_TIMEOUT_USEC=%lld",
                     static_cast<long long>(std::chrono::microseconds(longest_pause * 3).count()));
        if (listen_for(pause) == Told::to_stop) return fail(Errc::cancelled, "told to stop");
    }
}

void Daemon::make_notices(const config::Settings& settings, std::shared_ptr<const dkim::Keys> keys) {
    report::NoticeSettings s;
    s.hostname = settings.hostname;
    s.postmaster = settings.postmaster;
    s.lifetime = settings.queue.lifetime;
    s.delay_warning = settings.queue.delay_warning;
    notices_ = std::make_shared<const report::NoticeMaker>(*queue_, std::move(s), std::move(keys), pacer_);
}

Result<void> Daemon::take_keys(const config::Settings& settings) {
    Result<std::vector<config::Token>> tokens;
    if (!settings.admin.token_file.empty()) tokens = config::read_tokens(settings.admin.token_file);
    if (!tokens) return fail(tokens.error());
    auto mail = keys_of(settings.dkim);
    if (!mail) return fail(mail.error());
    auto reports = keys_of({settings.tlsrpt.dkim});
    if (!reports) return fail(reports.error());
    tokens_ = std::move(*tokens);
    mail_keys_ = std::move(*mail);
    report_keys_ = std::move(*reports);
    make_notices(settings, mail_keys_);
    return {};
}

Result<void> Daemon::open_delivery() {
    const auto executor = io_.get_executor();
    const auto present = [this] { return settings_; };
    auto resolver = resolver::make_unbound(executor, delivery::resolver_options(*settings_));
    if (!resolver) return fail(resolver.error());
    resolver_ = std::move(*resolver);
    delivery::StsFetcher::Parts sts{executor,
                                    *resolver_,
                                    *queue_,
                                    tls_,
                                    *log_,
                                    clock_,
                                    [this] { return settings_->tls.ca_file; },
                                    settings_->dns.timeout + std::chrono::seconds(10)};
    sts_ = std::make_unique<delivery::StsFetcher>(std::move(sts));
    router_ = std::make_unique<delivery::Router>(*resolver_, sts_.get(), clock_, rng_,
                                                 delivery::router_settings(*settings_, delivery::local_addresses()));
    reporter_ = std::make_unique<Reporter>(*log_, [this] { return notices_; });
    delivery::Agent::Parts agent{executor, *queue_, *router_, tls_, *reporter_, *log_, clock_, present};
    if (settings_->tlsrpt.enabled) {
        tls_counter_ = std::make_unique<report::TlsCounter>(executor, *queue_, *resolver_, *log_, clock_);
        agent.on_tls_session = [this](const tlsrpt::Session& session) { tls_counter_->count(session); };
    }
    agent_ = std::make_unique<delivery::Agent>(std::move(agent));
    open_reports();
    relay::Parts relay{executor, *queue_, *log_,
                       clock_,   present, [this](std::vector<store::Job> jobs) { agent_->accepted(std::move(jobs)); }};
    relay.signer = [this]() -> std::unique_ptr<relay::ContentSigner> {
        return mail_keys_ ? std::make_unique<RelaySigner>(mail_keys_) : nullptr;
    };
    relay_ = std::make_unique<relay::Server>(std::move(relay));
    Health::Parts health{*resolver_, *queue_, *log_, clock_, present};
    health_ = std::make_unique<Health>(std::move(health));
    return {};
}

void Daemon::open_reports() {
    if (!tls_counter_) return;
    report::TlsReporter::Parts parts{io_.get_executor(),
                                     *queue_,
                                     *resolver_,
                                     tls_,
                                     *log_,
                                     clock_,
                                     *tls_counter_,
                                     [this] { return settings_; },
                                     [this] { return report_keys_; },
                                     [this](std::vector<store::Job> jobs) { agent_->accepted(std::move(jobs)); }};
    tls_reporter_ = std::make_unique<report::TlsReporter>(std::move(parts));
}

admin::Context Daemon::admin_context() {
    admin::Context context{*queue_, clock_, *log_, counters_};
    context.started = started_;
    context.dns = [this] { return resolver_->counters(); };
    context.problems = [this] { return health_->problems(); };
    context.warnings = [this] { return health_->warnings(); };
    context.notices = [this] { return notices_; };
    context.tokens = [this] { return tokens_; };
    context.settings = [this] { return settings_; };
    context.connections = [this] { return agent_->pool_stats(); };
    context.check = [this](delivery::CheckRequest request) { return check(std::move(request)); };
    if (tls_reporter_) {
        context.tlsrpt_show = [this](std::string day) { return tls_reporter_->show(std::move(day)); };
        context.tlsrpt_send = [this](std::string day, bool dry_run) {
            using Sending = report::TlsReporter::Sending;
            return tls_reporter_->send(std::move(day), dry_run ? Sending::dry_run : Sending::now);
        };
    }
    context.holds_changed = [this] { agent_->holds_changed(); };
    context.flushed = [this] { agent_->wake(delivery::Agent::Wake::forget_failures); };
    return context;
}

net::Task<boost::json::object> Daemon::check(delivery::CheckRequest request) {
    const auto report = co_await delivery::check(*router_, tls_, delivery::channel_rules(*settings_), request);
    co_return delivery::to_json(*report, request);
}

Result<void> Daemon::open_admin() {
    const auto passed = inherited_.find(settings_->admin.address);
    auto listener = passed == inherited_.end() ? net::Listener::open(io_.get_executor(), settings_->admin.address, 0660)
                                               : net::Listener::adopt(io_.get_executor(), passed->second);
    if (!listener) return fail(listener.error());
    context_ = std::make_unique<admin::Context>(admin_context());
    http::ServerOptions options;
    options.on_exception = [this](const std::string& task, const std::string& what) {
        log_->event(log::Level::error, "bug", {{"task", task}, {"text", what}});
    };
    auto handler = [context = context_.get()](http::Request request) {
        return admin::handle(*context, std::move(request));
    };
    admin_ = std::make_unique<http::Server>(std::move(*listener), std::move(handler), std::move(options));
    return {};
}

Result<void> Daemon::take_sockets() {
    auto passed = take_inherited();
    if (!passed) return fail(passed.error());
    std::vector<std::string> configured;
    for (const auto& listener : settings_->listeners) configured.push_back(listener.address);
    configured.push_back(settings_->admin.address);
    auto assigned = assign(*passed, configured);
    if (!assigned) return fail(assigned.error());
    inherited_ = std::move(*assigned);
    return {};
}

Result<void> Daemon::open() {
    if (auto done = take_sockets(); !done) return fail(done.error()); // before there is a second thread
    if (auto done = open_queue(); !done) return fail(done.error());
    if (auto done = take_keys(*settings_); !done) return fail(done.error());
    if (auto done = open_delivery(); !done) return fail(done.error());
    if (auto done = relay_->listen(inherited_); !done) return fail(done.error());
    return open_admin();
}

} // namespace danelaw::app
