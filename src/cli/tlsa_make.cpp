// `danelaw tlsa generate` and `tlsa rollover`: records for certificates and keys, and how to change them without a gap.
#include "commands.hpp"
#include "local.hpp"

#include "danelaw/config/load.hpp"
#include "danelaw/delivery/resolver_options.hpp"
#include "danelaw/delivery/router.hpp"
#include "danelaw/tls/tools.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace danelaw::cli {
namespace {

namespace json = boost::json;

int complain(Console console, const std::string& what) {
    console.err << "danelaw: " << what << "\n";
    return Exit::usage;
}

Result<std::string> read_file(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream all;
    if (!in || !(all << in.rdbuf())) return fail(Errc::io, "can't read " + file);
    return all.str();
}

// The subjects that a file holds, by the kind of file; errors name it.
template <class Read> auto from_file(const std::string& file, Read read) -> decltype(read(std::string_view())) {
    auto content = read_file(file);
    if (!content) return fail(content.error());
    auto subject = read(std::string_view(*content));
    if (!subject) return fail(subject.error().code, file + ": " + subject.error().detail);
    return subject;
}

json::object record_view(const dns::Tlsa& r) {
    return {{"usage", r.usage}, {"selector", r.selector}, {"matching", r.matching}, {"data", hex(r.data)}};
}

json::array texts(const std::vector<std::string>& lines) {
    json::array out;
    for (const std::string& line : lines) out.emplace_back(line);
    return out;
}

} // namespace

int tlsa_generate(const TlsaGenerate& asked, Console console) {
    tls::GenerateRequest request;
    const auto host = dns::Name::from(asked.host);
    if (!host || !host->is_host() || host->empty())
        return complain(console, "not a host name: " + printable(asked.host, 255));
    request.host = *host;
    request.port = asked.port;
    request.usage = asked.usage;
    request.selector = asked.selector;
    request.matching = asked.matching;
    if (!asked.cert.empty()) {
        auto subjects = from_file(asked.cert, tls::subjects_from_certificates);
        if (!subjects) return complain(console, subjects.error().detail);
        request.subject = tls::subject_for(request.usage, *subjects);
        request.chain = std::move(*subjects);
    } else {
        auto subject = asked.key.empty() ? from_file(asked.pubkey, tls::subject_from_public_key)
                                         : from_file(asked.key, tls::subject_from_private_key);
        if (!subject) return complain(console, subject.error().detail);
        request.subject = *subject;
    }
    const auto made = tls::generate(request);
    if (!made) return complain(console, made.error().detail);
    if (asked.json) {
        const json::object answer{{"owner", dns::tlsa_owner(request.host, request.port).text()},
                                  {"record", record_view(made->record)},
                                  {"line", made->line},
                                  {"warnings", texts(made->warnings)}};
        console.out << json::serialize(answer) << "\n";
    } else {
        console.out << made->line << "\n";
        for (const std::string& w : made->warnings) console.err << "warning: " << w << "\n";
    }
    return Exit::ok;
}

// -- rollover --------------------------------------------------------------------------------------

namespace {

// What is published for the host, found as delivery finds it: aliases, base and status included.
struct Published {
    dns::Name base;
    dane::Seen status = dane::Seen::not_queried;
    std::vector<dns::Tlsa> records;
    Seconds ttl{0};
    std::string why;
};

delivery::Task<Published> look_up(delivery::Router& router, dns::Name host) {
    const delivery::RouteOptions options{.fresh = true};
    const delivery::Route route = co_await router.route(host.text(), options);
    Published found;
    found.base = host;
    if (route.plan.hosts.empty()) {
        found.status = dane::Seen::error;
        if (route.plan.halt) found.why = route.plan.halt->text;
        co_return found;
    }
    const dane::HostPlan& plan = route.plan.hosts.front();
    const bool no_address = plan.address == dane::Seen::bogus || plan.address == dane::Seen::error;
    found.status = no_address ? plan.address : plan.tlsa;
    found.why = plan.why;
    found.records = plan.rrset;
    if (!plan.tlsa_base.empty()) found.base = plan.tlsa_base;
    for (const dane::HostFacts& facts : route.facts.hosts)
        for (const dane::TlsaLookup& lookup : facts.tlsa)
            if (lookup.base == found.base) found.ttl = lookup.answer.ttl;
    co_return found;
}

// The host taken as a next hop in brackets: no MX lookup, DANE decided by its own address and records (DANE-032).
delivery::RouterSettings routing(const dns::Name& host, unsigned port) {
    delivery::RouterSettings settings;
    settings.tls.mta_sts = false;
    policy::PolicyEntry entry;
    entry.match = {host.text()};
    entry.next_hop = "[" + host.text() + "]:" + std::to_string(port);
    settings.policies.push_back(std::move(entry));
    return settings;
}

Result<Published> find_published(const dns::Name& host, unsigned port, const config::Settings& settings) {
    boost::asio::io_context io;
    auto resolver = resolver::make_unbound(io.get_executor(), delivery::resolver_options(settings));
    if (!resolver) return fail(resolver.error());
    const SystemClock clock;
    SystemRng rng;
    delivery::Router router(**resolver, nullptr, clock, rng, routing(host, port));
    Result<Published> found = fail(Errc::dns, "the lookup did not end");
    auto done = [&](const std::exception_ptr& thrown, Published published) {
        if (!thrown) found = std::move(published);
        io.stop();
    };
    boost::asio::co_spawn(io, look_up(router, host), done);
    io.run();
    return found;
}

Result<tls::RolloverRequest> request_from(const TlsaRollover& asked) {
    tls::RolloverRequest request;
    const auto host = dns::Name::from(asked.host);
    if (!host || !host->is_host() || host->empty())
        return fail(Errc::parse, "not a host name: " + printable(asked.host, 255));
    request.base = *host;
    request.port = asked.port;
    if (!asked.new_cert.empty()) {
        auto next = from_file(asked.new_cert, tls::subjects_from_certificates);
        if (!next) return fail(next.error());
        request.next = std::move(*next);
    } else {
        auto next = from_file(asked.new_key, tls::subject_from_private_key);
        if (!next) return fail(next.error());
        request.next = {std::move(*next)};
    }
    if (!asked.current_cert.empty()) {
        auto current = from_file(asked.current_cert, tls::subjects_from_certificates);
        if (!current) return fail(current.error());
        request.current = std::move(*current);
    }
    if (asked.new_ttl) {
        const auto ttl = parse_duration(*asked.new_ttl);
        if (!ttl) return fail(Errc::parse, "--new-ttl must read like 300s or 1h");
        request.next_ttl = std::chrono::ceil<Seconds>(*ttl);
    }
    request.now = SystemClock().now();
    return request;
}

std::vector<std::string> lines(const tls::RolloverRequest& request, const std::vector<dns::Tlsa>& records) {
    std::vector<std::string> out;
    for (const dns::Tlsa& r : records) out.push_back(tls::zone_line(request.base, request.port, r));
    return out;
}

// All that the planned chain has to be served under.
std::vector<dns::Tlsa> next_records(const tls::Rollover& plan) {
    std::vector<dns::Tlsa> all = plan.matching;
    all.insert(all.end(), plan.add.begin(), plan.add.end());
    return all;
}

json::object view(const tls::RolloverRequest& request, const Published& published, const tls::Rollover& plan) {
    return {{"base", request.base.text()},
            {"port", request.port},
            {"tlsa_status", dane::word(published.status)},
            {"ttl_s", request.ttl.count()},
            {"published", texts(lines(request, request.published))},
            {"coverage", tls::word(plan.coverage)},
            {"order", tls::word(plan.order)},
            {"current", texts(lines(request, plan.current))},
            {"next", texts(lines(request, next_records(plan)))},
            {"matching", texts(lines(request, plan.matching))},
            {"add", texts(lines(request, plan.add))},
            {"install_from", rfc3339(plan.install_from)},
            {"remove", texts(lines(request, plan.drop))},
            {"remove_from", rfc3339(plan.install_from)},
            {"idle", texts(lines(request, plan.idle))},
            {"warnings", texts(plan.warnings)}};
}

void print_records(std::ostream& out, const tls::RolloverRequest& request, const std::vector<dns::Tlsa>& records) {
    for (const std::string& line : lines(request, records)) out << "     " << line << "\n";
}

std::string shown(Time t) { // to the second: a deadline for people
    std::string text = rfc3339(std::chrono::ceil<Seconds>(t)).substr(0, 19) + " UTC";
    text[10] = ' ';
    return text;
}

std::string purpose(const dns::Tlsa& record, const tls::Rollover& plan) {
    const auto among = [&record](const std::vector<dns::Tlsa>& all) {
        return std::ranges::find(all, record) != all.end();
    };
    if (among(plan.idle)) return "ignored by senders";
    std::string text;
    if (among(plan.current)) text = "for the chain in use";
    if (among(plan.matching)) text += text.empty() ? "for the planned one" : " and the planned one";
    return text.empty() ? "not for the planned one" : text;
}

void print_published(std::ostream& out, const tls::RolloverRequest& request, const Published& published,
                     const tls::Rollover& plan) {
    out << request.base.text() << " port " << request.port << ": the planned certificate or key is "
        << tls::word(plan.coverage) << "\n\npublished now (" << dane::word(published.status);
    if (request.ttl.count() > 0) out << ", TTL " << request.ttl.count() << " s";
    out << ")\n";
    for (const dns::Tlsa& r : request.published)
        out << "     " << tls::zone_line(request.base, request.port, r) << "   " << purpose(r, plan) << "\n";
}

std::string install_words(const tls::RolloverRequest& request, const tls::Rollover& plan) {
    const std::string both = std::to_string((plan.install_from - request.now) / Seconds(1));
    if (plan.order == tls::Order::install_first) return "install the planned certificate at every address of the host";
    if (plan.coverage == tls::Coverage::covered)
        return "install the planned certificate at any time, if today's records have been published for at least two "
               "TTLs (" +
               std::to_string(2 * request.ttl.count()) + " s)";
    return "install the planned certificate from " + shown(plan.install_from) + " on: two TTLs, " + both +
           " s, after step 1, if that is done now";
}

void print_steps(std::ostream& out, const tls::RolloverRequest& request, const tls::Rollover& plan) {
    int step = 0;
    const auto publish = [&](const char* when) {
        if (plan.add.empty()) return;
        out << "\n" << ++step << ". " << when << ":\n";
        print_records(out, request, plan.add);
    };
    if (plan.order == tls::Order::publish_first) publish("publish now, beside what is there");
    out << "\n" << ++step << ". " << install_words(request, plan) << "\n";
    if (plan.order == tls::Order::install_first) publish("then, and not before, publish");
    if (!plan.drop.empty()) {
        out << "\n"
            << ++step << ". remove, once every address of the host serves it, and not before "
            << shown(plan.install_from) << ":\n";
        print_records(out, request, plan.drop);
    }
    if (plan.idle.empty()) return;
    out << "\n" << ++step << ". remove at any time; senders ignore:\n";
    print_records(out, request, plan.idle);
}

} // namespace

int tlsa_rollover(const TlsaRollover& asked, Console console) {
    auto request = request_from(asked);
    if (!request) return complain(console, request.error().detail);
    const auto settings = local_settings(asked.config);
    if (!settings) return complain(console, settings.error().detail);
    const auto published = find_published(request->base, asked.port, *settings);
    if (!published) return complain(console, published.error().detail);
    if (published->status == dane::Seen::bogus || published->status == dane::Seen::error) {
        console.err << "danelaw: the TLSA records of " << request->base.text() << " can't be looked up ("
                    << dane::word(published->status) << "): " << published->why << "\n";
        return Exit::no;
    }
    request->base = published->base;
    request->published = published->records;
    request->ttl = published->ttl;
    auto plan = tls::plan_rollover(*request);
    if (!plan) return complain(console, plan.error().detail);
    if (published->status != dane::Seen::secure)
        plan->warnings.insert(plan->warnings.begin(), "no DNSSEC-secure TLSA records (" +
                                                          std::string(dane::word(published->status)) +
                                                          "): senders do not use DANE for this host");
    if (!settings->dns.forwarders.empty())
        plan->warnings.emplace_back(
            "the records came through a forwarder: its cache may show what is left of a TTL, not "
            "the whole; see the zone file");
    if (asked.json) {
        console.out << json::serialize(view(*request, *published, *plan)) << "\n";
    } else {
        print_published(console.out, *request, *published, *plan);
        print_steps(console.out, *request, *plan);
        for (const std::string& w : plan->warnings) console.err << "warning: " << w << "\n";
    }
    return plan->coverage == tls::Coverage::covered ? Exit::ok : Exit::no;
}

} // namespace danelaw::cli
