// What an operator asks: the reports of a day, what would be sent, and to send it now.
#include "tls_reporter_priv.hpp"

#include "danelaw/base/id.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

namespace danelaw::report {

namespace json = boost::json;

Task<Result<std::string>> TlsReporter::Impl::day_or_yesterday(std::string day) {
    if (day.empty()) co_return yesterday();
    if (!tlsrpt::parse_day(day)) co_return fail(Errc::parse, "a day is written YYYY-MM-DD");
    co_return day;
}

json::object TlsReporter::Impl::view(const Place& place, const Progress& progress, const TlsReport& report) const {
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

Task<json::object> TlsReporter::Impl::rehearse(const Place& place, json::object out, const TlsReport& report) {
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

std::string TlsReporter::Impl::yesterday() const {
    return tlsrpt::day_of(now() - std::chrono::hours(24));
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
    if (!dry && !co_await im.hold_lease())
        co_return fail(Errc::unavailable, "another relay of this queue sends reports");
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
