// The reporter's insides, shared by its round (tls_reporter.cpp), its ways out (tls_sending.cpp) and the operator's
// commands (tls_reports_shown.cpp). Private to src/report.
#pragma once

#include "tls_posting.hpp"

#include "danelaw/base/random.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/tlsrpt/progress.hpp"

namespace danelaw::report {

template <class T> using Task = boost::asio::awaitable<T>;
using tlsrpt::Phase;
using tlsrpt::Progress;

// A destination on one day.
struct Place {
    std::string day, domain, record; // record: as last seen that day
    std::string key() const { return day + ' ' + domain; }
};

struct TlsReporter::Impl {
    explicit Impl(Parts p) : parts(std::move(p)), wakeup(parts.executor), name(random_token(8)) {}

    Time now() const;
    std::string yesterday() const;
    tlsrpt::Submitter submitter() const;
    Task<Result<std::vector<Place>>> places(std::string prefix);
    Task<Result<TlsReport>> report_of(const Place& place);
    // TR-003: the record of this moment; the last one seen that day when the lookup fails.
    Task<std::vector<tlsrpt::Destination>> destinations(const Place& place);
    Task<Progress> progress_of(const Place& place);
    Task<bool> keep(const Place& place, const Progress& progress);
    void tell(log::Level level, const Place& place, const Progress& progress);
    // Ends what is begun with a state that lasts.
    Task<void> settle(const Place& place, Progress& progress, Phase phase, log::Level level);
    // The places in their order until one has it (TR-040).
    Task<void> send(const Place& place, Progress& progress);
    // True when the mail is in our queue, or will be at the next round. The id is kept first: a crash makes no second
    // one.
    Task<bool> send_mail(const Place& place, Progress& progress, const TlsReport& report,
                         const tlsrpt::Destination& to);
    Task<void> enqueue(const Place& place, Progress& progress, store::NewMessage message);
    // What became of the mail? The queue's own trace says it, also after a restart.
    Task<void> see_mail(const Place& place, Progress& progress);
    // The same mail to the same place under the same id: we fell between two steps.
    Task<void> mail_again(const Place& place, Progress& progress);
    Task<bool> another(const Place& place, const Progress& progress);
    Task<bool> take_back(std::string id);
    Task<void> one(const Place& place, Progress& progress);
    Task<void> forget(const Place& place);
    // When something may be to be done for it.
    Time look_again(const Place& place, const Progress& progress) const;
    Task<void> round();
    // One relay of those that share a queue reports (TR-020). Who writes last holds it, for a while.
    Task<bool> hold_lease();
    Task<Result<std::string>> day_or_yesterday(std::string day);
    boost::json::object view(const Place& place, const Progress& progress, const TlsReport& report) const;
    // TR-047: exactly what would go.
    Task<boost::json::object> rehearse(const Place& place, boost::json::object out, const TlsReport& report);

    Parts parts;
    net::Wakeup wakeup;
    std::string name;
    Time next_round{}, last_round{};
    bool busy = false; // a round or an operator's sending: one at a time
    bool stopping = false;
};

} // namespace danelaw::report
