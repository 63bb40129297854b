// The daily round: which reports are due, and what is to be done for each.
#include "tls_reporter_priv.hpp"

#include <algorithm>

namespace danelaw::report {
namespace {

constexpr Millis look = std::chrono::seconds(5);    // at the clock, which may jump
constexpr Millis follow = std::chrono::seconds(30); // a mail on its way
constexpr Millis round_at_least = std::chrono::minutes(10);
constexpr Millis lease = std::chrono::minutes(15);
constexpr Millis lease_settles = std::chrono::seconds(2);
constexpr const char* lease_table = "tlsrpt-lease";

std::optional<Place> place_from(const std::string& key, const std::string& record) {
    const auto blank = key.find(' ');
    if (blank == std::string::npos || !tlsrpt::parse_day(key.substr(0, blank))) return std::nullopt;
    return Place{key.substr(0, blank), key.substr(blank + 1), record};
}

} // namespace

Time TlsReporter::Impl::now() const {
    return parts.clock.now();
}

tlsrpt::Submitter TlsReporter::Impl::submitter() const {
    const auto settings = parts.settings();
    const auto& t = settings->tlsrpt;
    // H147: never empty, never null
    return {t.organization.empty() ? settings->hostname : t.organization,
            t.contact.empty() ? settings->postmaster : t.contact, settings->hostname};
}

Task<Result<std::vector<Place>>> TlsReporter::Impl::places(std::string prefix) {
    auto found = co_await parts.queue.scan(tables::domains, std::move(prefix));
    if (!found) co_return fail(found.error());
    std::vector<Place> out;
    for (const auto& [key, record] : *found)
        if (auto place = place_from(key, record)) out.push_back(std::move(*place));
    co_return out;
}

Task<Progress> TlsReporter::Impl::progress_of(const Place& place) {
    auto text = co_await parts.queue.get(tables::states, place.key());
    co_return text && *text ? tlsrpt::progress_from(**text) : Progress{};
}

Task<bool> TlsReporter::Impl::keep(const Place& place, const Progress& progress) {
    auto kept = co_await parts.queue.put(tables::states, place.key(), tlsrpt::to_text(progress));
    co_return kept.has_value(); // if not, the next round does it again
}

void TlsReporter::Impl::tell(log::Level level, const Place& place, const Progress& progress) {
    parts.log.event(level, "tls-report",
                    {{"domain", place.domain},
                     {"day", place.day},
                     {"report_id", tlsrpt::report_id(submitter(), place.day, place.domain)},
                     {"result", tlsrpt::word(progress.phase)},
                     {"to", progress.to},
                     {"message", progress.message},
                     {"text", progress.text}});
}

Task<void> TlsReporter::Impl::settle(const Place& place, Progress& progress, Phase phase, log::Level level) {
    progress.phase = phase;
    if (co_await keep(place, progress)) tell(level, place, progress);
}

Task<void> TlsReporter::Impl::one(const Place& place, Progress& progress) {
    switch (tlsrpt::step(progress, place.day, place.domain, now())) {
    case tlsrpt::Step::wait: break;
    case tlsrpt::Step::send: co_await send(place, progress); break;
    case tlsrpt::Step::follow: co_await see_mail(place, progress); break;
    case tlsrpt::Step::give_up:
        if (progress.phase == Phase::mailed) {
            co_await see_mail(place, progress); // it may have got out at last
            if (progress.over()) break;
            (void)co_await take_back(progress.message);
        }
        if (progress.text.empty()) progress.text = "nobody took it within a day";
        co_await settle(place, progress, Phase::dropped, log::Level::warn);
        break;
    case tlsrpt::Step::forget: co_await forget(place); break;
    }
}

Task<void> TlsReporter::Impl::forget(const Place& place) {
    for (const char* table : {tables::counts, tables::policies}) {
        auto all = co_await parts.queue.scan(table, place.key() + ' ');
        if (!all) co_return;
        for (const auto& [key, value] : *all) (void)co_await parts.queue.put(table, key, "");
    }
    (void)co_await parts.queue.put(tables::states, place.key(), "");
    (void)co_await parts.queue.put(tables::domains, place.key(), ""); // last: it leads to the others
}

Time TlsReporter::Impl::look_again(const Place& place, const Progress& progress) const {
    if (progress.phase == Phase::mailed) return now() + follow;
    if (progress.over()) return now() + std::chrono::hours(12);
    return std::max(progress.next, tlsrpt::due(place.day, place.domain));
}

Task<void> TlsReporter::Impl::round() {
    const auto began = now();
    next_round = began + round_at_least;
    last_round = began;
    if (!co_await hold_lease()) co_return;
    co_await parts.counter.flush();
    const auto all = co_await places("");
    if (!all) co_return;
    const auto today = tlsrpt::day_of(began);
    for (const auto& place : *all) {
        if (stopping) co_return;
        if (place.day >= today) continue;
        auto progress = co_await progress_of(place);
        co_await one(place, progress);
        next_round = std::min(next_round, std::max(look_again(place, progress), began + look));
    }
}

Task<bool> TlsReporter::Impl::hold_lease() {
    if (parts.settings()->queue.store == config::StoreKind::sqlite) co_return true;
    const auto held = co_await parts.queue.get(lease_table, "reporter");
    if (!held) co_return false;
    const std::string text = held->value_or("");
    const auto blank = text.find(' ');
    const auto until = parse_rfc3339(text.substr(0, blank));
    const bool ours = blank != std::string::npos && text.substr(blank + 1) == name;
    if (!ours && until && now() < *until && *until - now() <= lease) co_return false;
    const auto mine = rfc3339(now() + lease) + ' ' + name;
    if (!co_await parts.queue.put(lease_table, "reporter", mine)) co_return false;
    if (ours) co_return true;
    if (!co_await net::pause_until(net::deadline_after(lease_settles))) co_return false;
    const auto again = co_await parts.queue.get(lease_table, "reporter");
    co_return again && again->value_or("") == mine;
}

TlsReporter::TlsReporter(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
TlsReporter::~TlsReporter() = default;

Task<void> TlsReporter::run() {
    auto& im = *impl_;
    while (!im.stopping) {
        const auto now = im.now();
        if (now >= im.next_round || now < im.last_round) co_await round();
        if (im.stopping) break;
        if (co_await im.wakeup.wait(net::deadline_after(look)) == net::Wakeup::Woken::cancelled) break;
    }
}

Task<void> TlsReporter::round() {
    auto& im = *impl_;
    if (im.busy) co_return;
    im.busy = true;
    co_await im.round();
    im.busy = false;
}

void TlsReporter::stop() {
    impl_->stopping = true;
    impl_->wakeup.notify();
}

} // namespace danelaw::report
