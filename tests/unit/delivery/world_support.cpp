#include "world.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace danelaw::delivery::test {

namespace asio = boost::asio;

dns::Name name(std::string_view text) {
    auto made = dns::Name::from(text);
    DANELAW_CHECK(made);
    return *made;
}
IpAddress ip(std::string_view text) {
    auto made = IpAddress::parse(text);
    DANELAW_CHECK(made);
    return *made;
}

namespace {

dns::Status weaker(dns::Status a, dns::Status b) {
    return a == dns::Status::secure ? b : a;
}

template <class T> dns::Answer<T> failed(dns::Status status) {
    dns::Answer<T> out;
    out.status = status;
    out.why = status == dns::Status::bogus ? "signature expired" : "SERVFAIL";
    return out;
}

} // namespace

// Follows aliases as a validating resolver does: the weakest link decides, a failing one fails the whole (DANE-006).
template <class T, class Make>
boost::asio::awaitable<dns::Answer<T>> World::answer(std::string type, dns::Name at, Make make) {
    asked.push_back(type + " " + at.text());
    if (hook) hook(asked.back());
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    dns::Answer<T> out;
    out.status = dns::Status::secure;
    out.canonical = at;
    out.ttl = Seconds{300};
    for (int link = 0; link < 10; ++link) {
        const auto found = zone.find(out.canonical.text());
        if (found == zone.end()) {
            out.absence = dns::Absence::nxdomain;
            co_return out;
        }
        const Holds& holds = found->second;
        if (const auto failing = holds.failing.find(type); failing != holds.failing.end())
            co_return failed<T>(failing->second);
        out.ttl = std::min(out.ttl, holds.ttl);
        if (!holds.cname.empty()) {
            out.status = weaker(out.status, holds.alias_status);
            out.aliased = true;
            out.canonical = name(holds.cname);
            continue;
        }
        out.status = weaker(out.status, holds.status);
        out.records = make(holds);
        out.absence = out.records.empty() ? dns::Absence::nodata : dns::Absence::none;
        co_return out;
    }
    co_return failed<T>(dns::Status::error);
}

World::Task<dns::Answer<dns::Mx>> World::mx(dns::Name at) {
    const auto make = [](const Holds& holds) {
        std::vector<dns::Mx> out;
        for (const auto& [preference, exchange] : holds.mx)
            out.push_back({preference, exchange.empty() ? dns::Name{} : name(exchange), true});
        return out;
    };
    return answer<dns::Mx>("MX", std::move(at), make);
}

World::Task<dns::Answer<IpAddress>> World::a(dns::Name at) {
    const auto make = [](const Holds& holds) {
        std::vector<IpAddress> out;
        for (const auto& text : holds.a) out.push_back(ip(text));
        return out;
    };
    return answer<IpAddress>("A", std::move(at), make);
}

World::Task<dns::Answer<IpAddress>> World::aaaa(dns::Name at) {
    const auto make = [](const Holds& holds) {
        std::vector<IpAddress> out;
        for (const auto& text : holds.aaaa) out.push_back(ip(text));
        return out;
    };
    return answer<IpAddress>("AAAA", std::move(at), make);
}

World::Task<dns::Answer<dns::Tlsa>> World::tlsa(dns::Name owner) {
    return answer<dns::Tlsa>("TLSA", std::move(owner), [](const Holds& holds) { return holds.tlsa; });
}

World::Task<dns::Answer<std::string>> World::txt(dns::Name at) {
    return answer<std::string>("TXT", std::move(at), [](const Holds&) { return std::vector<std::string>{}; });
}

World::Task<dns::Answer<dns::Name>> World::cname(dns::Name at) {
    asked.push_back("CNAME " + at.text());
    dns::Answer<dns::Name> out;
    out.canonical = at;
    out.ttl = Seconds{300};
    const auto found = zone.find(at.text());
    if (found == zone.end()) co_return out;
    if (const auto failing = found->second.failing.find("CNAME"); failing != found->second.failing.end())
        co_return failed<dns::Name>(failing->second);
    out.status = found->second.alias_status;
    if (found->second.cname.empty())
        out.absence = dns::Absence::nodata;
    else
        out.records = {name(found->second.cname)};
    co_return out;
}

std::size_t World::count(std::string_view question) const {
    return static_cast<std::size_t>(std::count(asked.begin(), asked.end(), question));
}

std::size_t World::position(std::string_view question) const {
    return static_cast<std::size_t>(std::find(asked.begin(), asked.end(), question) - asked.begin());
}

} // namespace danelaw::delivery::test
