// The daily round: which reports are due, where they may go, what became of them.
#include "danelaw/report/tls_reporter.hpp"

#include "gzip.hpp"
#include "tls_posting.hpp"

#include "danelaw/base/id.hpp"
#include "danelaw/base/random.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/tlsrpt/progress.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace danelaw::report {

template <class T> using Task = boost::asio::awaitable<T>;

namespace {

namespace json = boost::json;
using tlsrpt::Phase;
using tlsrpt::Progress;

constexpr Millis look = std::chrono::seconds(5);    // at the clock, which may jump
constexpr Millis follow = std::chrono::seconds(30); // a mail on its way
constexpr Millis round_at_least = std::chrono::minutes(10);
constexpr Millis lease = std::chrono::minutes(15);
constexpr Millis lease_settles = std::chrono::seconds(2);
constexpr const char* lease_table = "tlsrpt-lease";

struct Place {
    std::string day, domain, record; // record: as last seen that day
    std::string key() const { return day + ' ' + domain; }
};

std::optional<Place> place_from(const std::string& key, const std::string& record) {
    const auto blank = key.find(' ');
    if (blank == std::string::npos || !tlsrpt::parse_day(key.substr(0, blank))) return std::nullopt;
    return Place{key.substr(0, blank), key.substr(blank + 1), record};
}

bool refused(const Progress& progress, const tlsrpt::Destination& to) {
    return std::ranges::find(progress.refused, to.text()) != progress.refused.end();
}

} // namespace

struct TlsReporter::Impl {
    explicit Impl(Parts p) : parts(std::move(p)), wakeup(parts.executor), name(random_token(8)) {}

    Time now() const { return parts.clock.now(); }
    std::string yesterday() const { return tlsrpt::day_of(now() - std::chrono::hours(24)); }

    tlsrpt::Submitter submitter() const {
        const auto settings = parts.settings();
        const auto& t = settings->tlsrpt;
        // H147: never empty, never null
        return {t.organization.empty() ? settings->hostname : t.organization,
                t.contact.empty() ? settings->postmaster : t.contact, settings->hostname};
    }

    Task<Result<std::vector<Place>>> places(std::string prefix) {
        auto found = co_await parts.queue.scan(tables::domains, std::move(prefix));
        if (!found) co_return fail(found.error());
        std::vector<Place> out;
        for (const auto& [key, record] : *found)
            if (auto place = place_from(key, record)) out.push_back(std::move(*place));
        co_return out;
    }

    Task<Result<TlsReport>> report_of(const Place& place) {
        auto counts = co_await parts.queue.scan(tables::counts, place.key() + ' ');
        if (!counts) co_return fail(counts.error());
        auto texts = co_await parts.queue.scan(tables::policies, place.key() + ' ');
        if (!texts) co_return fail(texts.error());
        tlsrpt::Policies policies;
        for (auto& [key, text] : *texts) policies[key.substr(place.key().size() + 1)] = std::move(text);
        std::vector<tlsrpt::Counted> counted;
        for (const auto& [key, number] : *counts) {
            auto group = tlsrpt::parse_key(key);
            if (group) counted.push_back({std::move(*group), parse_number(number).value_or(0)});
        }
        TlsReport out;
        out.who = submitter();
        out.day = place.day;
        out.domain = place.domain;
        out.document = tlsrpt::document(out.who, place.day, place.domain, counted, policies);
        out.compressed = gzip(json::serialize(out.document));
        co_return out;
    }

    // TR-003: the record of this moment; the last one seen that day when the lookup fails.
    Task<std::vector<tlsrpt::Destination>> destinations(const Place& place) {
        const auto owner = dns::Name::from("_smtp._tls." + place.domain);
        if (!owner) co_return std::vector<tlsrpt::Destination>{};
        const auto answer = co_await parts.resolver.txt(*owner);
        if (answer.answered()) co_return tlsrpt::destinations(answer.records);
        co_return tlsrpt::destinations({place.record});
    }

    Task<Progress> progress_of(const Place& place) {
        auto text = co_await parts.queue.get(tables::states, place.key());
        co_return text && *text ? tlsrpt::progress_from(**text) : Progress{};
    }
    Task<bool> keep(const Place& place, const Progress& progress) {
        auto kept = co_await parts.queue.put(tables::states, place.key(), tlsrpt::to_text(progress));
        co_return kept.has_value(); // if not, the next round does it again
    }

    void tell(log::Level level, const Place& place, const Progress& progress) {
        parts.log.event(level, "tls-report",
                        {{"domain", place.domain},
                         {"day", place.day},
                         {"report_id", tlsrpt::report_id(submitter(), place.day, place.domain)},
                         {"result", tlsrpt::word(progress.phase)},
                         {"to", progress.to},
                         {"message", progress.message},
                         {"text", progress.text}});
    }

    // Ends what is begun with a state that lasts.
    Task<void> settle(const Place& place, Progress& progress, Phase phase, log::Level level) {
        progress.phase = phase;
        if (co_await keep(place, progress)) tell(level, place, progress);
    }

    // -- sending

    // The places in their order until one has it (TR-040).
    Task<void> send(const Place& place, Progress& progress) {
        const auto report = co_await report_of(place);
        if (!report) co_return;
        const auto all = co_await destinations(place);
        if (all.empty() || report->document.at("policies").as_array().empty()) {
            progress.text = all.empty() ? "no reports are wanted there" : "no sessions";
            co_return co_await settle(place, progress, Phase::unwanted, log::Level::info);
        }
        if (!progress.first) progress.first = now();
        ++progress.tries;
        progress.text.clear();
        for (const auto& to : all) {
            if (refused(progress, to)) continue;
            progress.to = to.text();
            if (to.kind == tlsrpt::Destination::Kind::mail) {
                if (co_await send_mail(place, progress, *report, to)) co_return;
                continue;
            }
            auto done = co_await post(parts, *report, to);
            if (done) {
                progress.text.clear();
                co_return co_await settle(place, progress, Phase::sent, log::Level::info);
            }
            progress.text = done.error().detail;
        }
        progress.next = tlsrpt::next_try(progress.tries, now());
        if (progress.text.empty()) progress.text = "every place has refused it";
        co_await settle(place, progress, Phase::waiting, log::Level::warn);
    }

    // True when the mail is in our queue, or will be at the next round. The id is kept first: a crash makes no second
    // one.
    Task<bool> send_mail(const Place& place, Progress& progress, const TlsReport& report,
                         const tlsrpt::Destination& to) {
        auto id = new_queue_id(now());
        auto made = mail(parts, report, to, id);
        if (!made) {
            progress.text = made.error().detail;
            co_return false;
        }
        progress.message = id;
        progress.queued = false;
        progress.phase = Phase::mailed;
        progress.next = now() + tlsrpt::mail_patience;
        if (!co_await keep(place, progress)) co_return true;
        co_await enqueue(place, progress, std::move(*made));
        co_return true;
    }

    Task<void> enqueue(const Place& place, Progress& progress, store::NewMessage message) {
        auto jobs = co_await parts.queue.add(std::move(message));
        if (!jobs && jobs.error().code != Errc::limit) co_return; // not now; the next round sees that it is missing
        progress.queued = true;
        co_await settle(place, progress, Phase::mailed, log::Level::info);
        if (jobs) parts.accepted(std::move(*jobs));
    }

    // What became of the mail? The queue's own trace says it, also after a restart.
    Task<void> see_mail(const Place& place, Progress& progress) {
        const auto trace = co_await parts.queue.trace(progress.message);
        if (!trace) {
            if (trace.error().code != Errc::not_found) co_return;
            if (progress.queued) { // finished so long ago that its trace is gone
                progress.text = "what became of the mail is not known any more";
                co_return co_await settle(place, progress, Phase::sent, log::Level::info);
            }
            co_return co_await mail_again(place, progress);
        }
        using message::RecipientState;
        const auto& recipient = trace->message.recipients.front();
        switch (recipient.state) {
        case RecipientState::delivered:
            progress.text.clear();
            co_return co_await settle(place, progress, Phase::sent, log::Level::info);
        case RecipientState::bounced:
        case RecipientState::expired:
        case RecipientState::deleted: break;
        case RecipientState::queued:
        case RecipientState::held:
            if (now() < progress.next || !co_await another(place, progress)) co_return;
            (void)co_await take_back(progress.message);
            break;
        }
        progress.refused.push_back(progress.to);
        progress.text = recipient.last ? recipient.last->text : std::string(message::word(recipient.state));
        progress.message.clear();
        progress.next = now();
        co_await settle(place, progress, Phase::waiting, log::Level::warn);
    }

    // The same mail to the same place under the same id: we fell between two steps.
    Task<void> mail_again(const Place& place, Progress& progress) {
        const auto report = co_await report_of(place);
        const auto to = tlsrpt::destination(progress.to);
        if (!report || !to) co_return;
        auto made = mail(parts, *report, *to, progress.message);
        if (made) co_await enqueue(place, progress, std::move(*made));
    }

    Task<bool> another(const Place& place, const Progress& progress) { // a place that was not tried yet
        const auto all = co_await destinations(place);
        co_return std::ranges::any_of(
            all, [&](const auto& to) { return to.text() != progress.to && !refused(progress, to); });
    }

    Task<bool> take_back(std::string id) {
        store::Filter filter;
        filter.ids = {std::move(id)};
        auto done = co_await parts.queue.act(store::Queue::Action::remove, std::move(filter), now());
        co_return done.has_value();
    }

    // -- the round

    Task<void> one(const Place& place, Progress& progress) {
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

    Task<void> forget(const Place& place) {
        for (const char* table : {tables::counts, tables::policies}) {
            auto all = co_await parts.queue.scan(table, place.key() + ' ');
            if (!all) co_return;
            for (const auto& [key, value] : *all) (void)co_await parts.queue.put(table, key, "");
        }
        (void)co_await parts.queue.put(tables::states, place.key(), "");
        (void)co_await parts.queue.put(tables::domains, place.key(), ""); // last: it leads to the others
    }

    // When something may be to be done for it.
    Time look_again(const Place& place, const Progress& progress) const {
        if (progress.phase == Phase::mailed) return now() + follow;
        if (progress.over()) return now() + std::chrono::hours(12);
        return std::max(progress.next, tlsrpt::due(place.day, place.domain));
    }

    Task<void> round() {
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

    // One relay of those that share a queue reports (TR-020). Who writes last holds it, for a while.
    Task<bool> hold_lease() {
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

    // -- the operator

    Task<Result<std::string>> day_or_yesterday(std::string day) {
        if (day.empty()) co_return yesterday();
        if (!tlsrpt::parse_day(day)) co_return fail(Errc::parse, "a day is written YYYY-MM-DD");
        co_return day;
    }

    json::object view(const Place& place, const Progress& progress, const TlsReport& report) const {
        json::object out;
        out["domain"] = place.domain;
        out["day"] = place.day;
        out["state"] = tlsrpt::word(progress.phase);
        out["to"] = progress.to;
        out["text"] = progress.text;
        out["tries"] = progress.tries;
        out["due"] = rfc3339(std::max(progress.next, tlsrpt::due(place.day, place.domain)));
        out["report"] = report.document;
        return out;
    }

    // TR-047: exactly what would go.
    Task<json::object> rehearse(const Place& place, json::object out, const TlsReport& report) {
        out["file_name"] = tlsrpt::file_name(report.who, place.day, place.domain);
        json::array to, mails;
        for (const auto& one : co_await destinations(place)) {
            to.emplace_back(one.text());
            if (one.kind != tlsrpt::Destination::Kind::mail) continue;
            auto made = mail(parts, report, one, new_queue_id(now()));
            if (made)
                mails.emplace_back(made->content);
            else
                out["text"] = made.error().detail;
        }
        out["destinations"] = std::move(to);
        out["mail"] = std::move(mails);
        co_return out;
    }

    Parts parts;
    net::Wakeup wakeup;
    std::string name;
    Time next_round{}, last_round{};
    bool busy = false; // a round or an operator's sending: one at a time
    bool stopping = false;
};

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

Task<Result<json::value>> TlsReporter::show(std::string asked) {
    auto& im = *impl_;
    const auto day = co_await im.day_or_yesterday(std::move(asked));
    if (!day) co_return fail(day.error());
    co_await im.parts.counter.flush();
    const auto all = co_await im.places(*day + ' ');
    if (!all) co_return fail(all.error());
    json::array out;
    for (const auto& place : *all) {
        const auto report = co_await im.report_of(place);
        if (!report) co_return fail(report.error());
        const auto progress = co_await im.progress_of(place);
        out.push_back(im.view(place, progress, *report));
    }
    co_return json::value(std::move(out));
}

Task<Result<json::value>> TlsReporter::send(std::string asked, Sending sending) {
    auto& im = *impl_;
    const auto day = co_await im.day_or_yesterday(std::move(asked));
    if (!day) co_return fail(day.error());
    const bool dry = sending == Sending::dry_run;
    if (!dry && *day >= tlsrpt::day_of(im.now()))
        co_return fail(Errc::parse, "that day is not over: a report covers a whole one (RFC 8460 4.1)");
    if (!dry && im.busy) co_return fail(Errc::unavailable, "reports are being sent at this moment");
    if (!dry && !co_await im.hold_lease()) co_return fail(Errc::unavailable, "another relay of this queue sends reports");
    co_await im.parts.counter.flush();
    const auto all = co_await im.places(*day + ' ');
    if (!all) co_return fail(all.error());
    if (!dry) im.busy = true;
    json::array out;
    for (const auto& place : *all) {
        auto progress = co_await im.progress_of(place);
        if (!dry && progress.phase == Phase::waiting) co_await im.send(place, progress);
        const auto report = co_await im.report_of(place);
        if (!report) continue;
        auto shown = im.view(place, progress, *report);
        if (dry) shown = co_await im.rehearse(place, std::move(shown), *report);
        out.push_back(std::move(shown));
    }
    if (!dry) {
        im.busy = false;
        im.next_round = Time{};
        im.wakeup.notify();
    }
    co_return json::value(std::move(out));
}

} // namespace danelaw::report
