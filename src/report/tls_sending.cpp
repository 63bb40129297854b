// A report's ways out: to the first place that takes it; a mail is followed until its fate is known.
#include "tls_reporter_priv.hpp"

#include "gzip.hpp"

#include "danelaw/base/id.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace danelaw::report {
namespace {

namespace json = boost::json;

bool refused(const Progress& progress, const tlsrpt::Destination& to) {
    return std::ranges::find(progress.refused, to.text()) != progress.refused.end();
}

} // namespace

Task<void> TlsReporter::Impl::send(const Place& place, Progress& progress) {
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

Task<bool> TlsReporter::Impl::send_mail(const Place& place, Progress& progress, const TlsReport& report,
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

Task<void> TlsReporter::Impl::enqueue(const Place& place, Progress& progress, store::NewMessage message) {
    auto jobs = co_await parts.queue.add(std::move(message));
    if (!jobs && jobs.error().code != Errc::limit) co_return; // not now; the next round sees that it is missing
    progress.queued = true;
    co_await settle(place, progress, Phase::mailed, log::Level::info);
    if (jobs) parts.accepted(std::move(*jobs));
}

Task<void> TlsReporter::Impl::see_mail(const Place& place, Progress& progress) {
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

Task<void> TlsReporter::Impl::mail_again(const Place& place, Progress& progress) {
    const auto report = co_await report_of(place);
    const auto to = tlsrpt::destination(progress.to);
    if (!report || !to) co_return;
    auto made = mail(parts, *report, *to, progress.message);
    if (made) co_await enqueue(place, progress, std::move(*made));
}

Task<bool> TlsReporter::Impl::another(const Place& place, const Progress& progress) { // a place that was not tried yet
    const auto all = co_await destinations(place);
    co_return std::ranges::any_of(all,
                                  [&](const auto& to) { return to.text() != progress.to && !refused(progress, to); });
}

Task<bool> TlsReporter::Impl::take_back(std::string id) {
    store::Filter filter;
    filter.ids = {std::move(id)};
    auto done = co_await parts.queue.act(store::Queue::Action::remove, std::move(filter), now());
    co_return done.has_value();
}

Task<Result<TlsReport>> TlsReporter::Impl::report_of(const Place& place) {
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

Task<std::vector<tlsrpt::Destination>> TlsReporter::Impl::destinations(const Place& place) {
    const auto owner = tlsrpt::record_owner(place.domain);
    if (!owner) co_return std::vector<tlsrpt::Destination>{};
    const auto answer = co_await parts.resolver.txt(*owner);
    if (answer.answered()) co_return tlsrpt::destinations(answer.records);
    co_return tlsrpt::destinations({place.record});
}

} // namespace danelaw::report
