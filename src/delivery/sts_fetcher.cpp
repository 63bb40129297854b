// Fetches and keeps MTA-STS policies. One fetch at a time per domain; a failed one is not repeated for a while
// (MS-015).
#include "danelaw/delivery/sts_fetcher.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/http/client.hpp"
#include "danelaw/net/task_group.hpp"
#include "danelaw/net/wakeup.hpp"
#include "danelaw/sts/cache.hpp"
#include "danelaw/sts/record.hpp"

#include <fmt/format.h>
#include <list>
#include <map>

namespace danelaw::delivery {

template <class T> using Task = boost::asio::awaitable<T>;

namespace {

constexpr const char* table = "sts";
constexpr Millis whole_fetch = std::chrono::seconds(60); // MS-014
constexpr Millis look_interval = std::chrono::minutes(30);
constexpr Millis renew_after = std::chrono::hours(24);
constexpr Millis shortest_pause = std::chrono::milliseconds(100); // between two tries of a store that can't be read
constexpr Millis longest_pause = std::chrono::seconds(10);
constexpr std::size_t remembered = 10000; // domains whose failed fetch is remembered

struct Fetched {
    std::optional<sts::Policy> policy;
    Reason failure = Reason::none;
    std::string text;
};

Fetched failed(Reason reason, std::string text) {
    Fetched out;
    out.failure = reason;
    out.text = std::move(text);
    return out;
}

bool is_plain_text(const http::Response& response) { // MS-013: parameters don't matter
    const auto type = http::find(response.headers, "Content-Type");
    if (!type) return false;
    return iequals(trim(type->substr(0, type->find(';'))), "text/plain");
}

} // namespace

struct StsFetcher::Impl {
    explicit Impl(Parts p)
        : parts(std::move(p)), wakeup(parts.executor),
          tasks(parts.executor, [&log = parts.log](const std::string& task, const std::string& what) {
              log.event(log::Level::error, "bug", {{"task", task}, {"text", what}});
          }) {}

    struct Failure {
        sts::FailedFetch fetch;
        Reason reason = Reason::none;
        std::string text;
    };

    Task<Result<std::optional<sts::Cached>>> cached(dns::Name domain) {
        const auto known = memory.find(domain);
        if (known != memory.end()) co_return known->second;
        auto stored = co_await stored_text(domain);
        if (!stored) co_return fail(stored.error());
        std::optional<sts::Cached> out;
        if (*stored) out = sts::cached_from(**stored);
        if (memory.size() > remembered) memory.clear();
        co_return memory.try_emplace(domain, std::move(out)).first->second; // one kept meanwhile is newer
    }

    // A store that can't be read just now may hold a policy that binds (MS-005): it is asked again, as for the message
    // itself. An error only when the relay stops.
    Task<Result<std::optional<std::string>>> stored_text(dns::Name domain) {
        for (Millis wait = shortest_pause;; wait = std::min(wait * 2, longest_pause)) {
            auto stored = co_await parts.queue.get(table, domain.text());
            if (stored) co_return stored;
            parts.log.event(log::Level::error, "store",
                            {{"domain", domain.text()}, {"text", "MTA-STS policies: " + stored.error().detail}});
            if (stopping || !co_await net::pause_until(net::deadline_after(wait))) co_return stored;
        }
    }

    // One GET to the policy host (MS-010…MS-014, MS-018).
    Task<Fetched> fetch(dns::Name domain) {
        const auto host = dns::Name::from("mta-sts." + domain.text());
        if (!host) co_return failed(Reason::sts_policy_fetch_error, "no policy host name for " + domain.text());
        const auto found = co_await resolver::addresses_of(parts.resolver, *host);
        if (found.addresses.empty()) co_return failed(Reason::sts_policy_fetch_error, found.why);
        std::vector<Endpoint> endpoints;
        for (const auto& address : found.addresses) endpoints.emplace_back(address, 443);
        http::ClientOptions options;
        options.host = host->text();
        options.channel = http::Channel::web_pki;
        options.tls = &parts.tls;
        options.ca_file = parts.ca_file();
        options.deadline = net::deadline_after(whole_fetch);
        options.max_body = limits::sts_body;
        http::Request request;
        request.target = "/.well-known/mta-sts.txt";
        auto response = co_await http::fetch_from(std::move(endpoints), std::move(options), std::move(request));
        if (response) co_return judge(*response, host->text());
        const bool certificate = response.error().code == Errc::tls;
        co_return failed(certificate ? Reason::sts_webpki_invalid : Reason::sts_policy_fetch_error,
                         fmt::format("{}: {}", host->text(), printable(response.error().detail)));
    }

    static Fetched judge(const http::Response& response, const std::string& host) {
        if (response.status != 200) // redirects included (MS-012)
            return failed(Reason::sts_policy_fetch_error, fmt::format("{} answered {}", host, response.status));
        if (!is_plain_text(response))
            return failed(Reason::sts_policy_fetch_error, host + " sent a policy that is not text/plain");
        auto policy = sts::parse_policy(response.body);
        if (!policy) return failed(Reason::sts_policy_invalid, host + ": " + printable(policy.error().detail));
        Fetched out;
        out.policy = std::move(*policy);
        return out;
    }

    // Fetches and keeps, one fetch a domain at a time (MS-015). Waits no longer than `patience`: the fetch goes on
    // behind.
    Task<Fetched> refresh(dns::Name domain, std::string id, Millis patience) {
        auto& flight = flights[domain];
        if (!flight.going) {
            flight.going = true;
            tasks.spawn("mta-sts fetch", fly(domain, std::move(id)));
        }
        net::Wakeup ready(parts.executor);
        flight.waiting.push_back(&ready);
        const auto place = std::prev(flight.waiting.end());
        co_await ready.wait(net::deadline_after(patience));
        auto& same = flights[domain];
        same.waiting.erase(place);
        auto out =
            same.going ? failed(Reason::sts_policy_fetch_error, "the policy host does not answer in time") : same.last;
        forget(domain);
        co_return out;
    }

    Task<void> fly(dns::Name domain, std::string id) {
        auto fetched = co_await fetch(domain);
        co_await keep(domain, id, fetched);
        auto& flight = flights[domain];
        flight.going = false;
        flight.last = std::move(fetched);
        for (auto* waiter : flight.waiting) waiter->notify();
        forget(domain);
    }

    void forget(const dns::Name& domain) {
        const auto found = flights.find(domain);
        if (found != flights.end() && !found->second.going && found->second.waiting.empty()) flights.erase(found);
    }

    Task<void> keep(const dns::Name& domain, const std::string& id, const Fetched& fetched) {
        const auto now = parts.clock.now();
        if (!fetched.policy) {
            if (failures.size() > remembered) failures.clear();
            failures[domain] = Failure{{id, now}, fetched.failure, fetched.text};
            const auto old = memory.find(domain);
            const bool matters = old != memory.end() && old->second && old->second->policy.mode != sts::Mode::none;
            parts.log.event(matters ? log::Level::warn : log::Level::info, "mta-sts",
                            {{"domain", domain.text()}, {"reason", word(fetched.failure)}, {"text", fetched.text}});
            co_return;
        }
        failures.erase(domain);
        const sts::Cached cached{id, now, *fetched.policy};
        const bool keepable = cached.policy.max_age.count() > 0; // MS-022
        if (keepable)
            memory[domain] = cached;
        else
            memory[domain] = std::nullopt;
        auto stored = co_await parts.queue.put(table, domain.text(), keepable ? sts::to_text(cached) : std::string());
        if (!stored)
            parts.log.event(log::Level::warn, "mta-sts",
                            {{"domain", domain.text()}, {"text", "policy not kept: " + stored.error().detail}});
    }

    Task<void> refresh_behind(dns::Name domain, std::string id) { (void)co_await refresh(domain, id, whole_fetch); }

    // Renews policies fetched a day ago and more.
    Task<void> renew_all() {
        auto all = co_await parts.queue.scan(table, "");
        if (!all) co_return;
        for (const auto& [key, text] : *all) {
            if (stopping) co_return;
            const auto entry = sts::cached_from(text);
            const auto domain = dns::Name::from(key);
            if (!entry || !domain) continue;
            const auto now = parts.clock.now();
            if (!sts::fresh(*entry, now)) {
                memory.erase(*domain);
                (void)co_await parts.queue.put(table, key, "");
                continue;
            }
            if (now - entry->fetched < renew_after) continue;
            const auto failure = failures.find(*domain);
            if (failure != failures.end() && now - failure->second.fetch.at < std::chrono::hours(4)) continue;
            (void)co_await refresh(*domain, entry->id, whole_fetch);
        }
    }

    struct Flight {
        bool going = false;
        Fetched last;
        std::list<net::Wakeup*> waiting;
    };

    Parts parts;
    std::map<dns::Name, std::optional<sts::Cached>> memory;
    std::map<dns::Name, Failure> failures;
    std::map<dns::Name, Flight> flights;
    net::Wakeup wakeup;
    bool stopping = false;
    net::TaskGroup tasks;
};

StsFetcher::StsFetcher(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
StsFetcher::~StsFetcher() = default;

Task<StsResult> StsFetcher::policy_for(dns::Name domain, Freshness freshness) {
    auto& im = *impl_;
    StsResult out;
    if (domain.empty()) co_return out;
    const auto owner = dns::Name::from("_mta-sts." + domain.text());
    sts::Announcement announced;
    if (owner) {
        auto texts = co_await im.parts.resolver.txt(*owner);
        // A failed lookup is no announcement and no denial of one (MS-005, H142)
        const auto record = texts.answered() ? sts::find_record(texts.records) : std::nullopt;
        if (record) announced.id = record->id;
        out.unsure = texts.failed();
        if (out.unsure) out.text = "the lookup of " + owner->text() + " failed: " + texts.why;
    }
    out.announced = announced.id.has_value();
    const auto known = co_await im.cached(domain);
    if (!known) {
        out.unknown = true;
        out.text = "what MTA-STS policy binds is not known: " + known.error().detail;
        co_return out;
    }
    const auto& cached = *known;
    const auto now = im.parts.clock.now();
    const auto failure = im.failures.find(domain);
    std::optional<sts::FailedFetch> last_failure;
    if (failure != im.failures.end() && freshness == Freshness::cached) last_failure = failure->second.fetch;
    switch (sts::fetch_now(cached, announced, last_failure, now)) {
    case sts::Fetch::no: break;
    case sts::Fetch::behind:
        im.tasks.spawn("mta-sts", im.refresh_behind(domain, announced.id.value_or(cached->id)));
        break;
    case sts::Fetch::first: {
        auto fetched = co_await im.refresh(domain, *announced.id, im.parts.first_wait);
        if (fetched.policy) {
            out.policy = std::move(fetched.policy);
            co_return out;
        }
        out.failure = fetched.failure;
        out.text = fetched.text;
        break;
    }
    }
    if (cached && sts::fresh(*cached, im.parts.clock.now())) { // what was promised binds (MS-005, H141)
        out.policy = cached->policy;
        out.failure = Reason::none;
        co_return out;
    }
    const auto why = im.failures.find(domain);
    if (out.announced && why != im.failures.end()) {
        out.failure = why->second.reason;
        out.text = why->second.text;
    }
    co_return out;
}

Task<void> StsFetcher::run() {
    auto& im = *impl_;
    while (!im.stopping) {
        co_await im.renew_all();
        if (im.stopping) break;
        if (co_await im.wakeup.wait(net::deadline_after(look_interval)) == net::Wakeup::Woken::cancelled) break;
    }
}

Task<void> StsFetcher::stop() {
    impl_->stopping = true;
    impl_->wakeup.notify();
    impl_->tasks.cancel_all();
    co_await impl_->tasks.join();
}

} // namespace danelaw::delivery
