// A DNS world as a literal, behind the resolver's interface: what is not named does not exist, securely. Remembers what
// was asked, in order.
#pragma once

#include "danelaw/delivery/sts_source.hpp"
#include "danelaw/resolver/resolver.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::delivery::test {

dns::Name name(std::string_view text);
IpAddress ip(std::string_view text);

// What a name holds. `status` of all its answers; records of a type not given are absent.
struct Holds {
    dns::Status status = dns::Status::secure;
    std::vector<std::pair<std::uint16_t, std::string>> mx;
    std::vector<std::string> a, aaaa;
    std::vector<dns::Tlsa> tlsa;
    std::string cname;                              // the alias's target
    dns::Status alias_status = dns::Status::secure; // of the alias itself
    std::map<std::string, dns::Status> failing;     // by type: "MX", "A", "AAAA", "TLSA", "CNAME"
    Seconds ttl{300};
};

class World final : public resolver::Resolver {
  public:
    std::map<std::string, Holds> zone;
    std::vector<std::string> asked;               // "A mx.example.org"
    std::function<void(const std::string&)> hook; // called at every question

    template <class T> using Task = boost::asio::awaitable<T>;
    Task<dns::Answer<dns::Mx>> mx(dns::Name at) override;
    Task<dns::Answer<IpAddress>> a(dns::Name at) override;
    Task<dns::Answer<IpAddress>> aaaa(dns::Name at) override;
    Task<dns::Answer<dns::Tlsa>> tlsa(dns::Name owner) override;
    Task<dns::Answer<std::string>> txt(dns::Name at) override;
    Task<dns::Answer<dns::Name>> cname(dns::Name at) override;
    Counters counters() const override { return {}; }

    std::size_t count(std::string_view question) const;
    std::size_t position(std::string_view question) const; // of its first asking; asked.size() when never

  private:
    template <class T, class Make> Task<dns::Answer<T>> answer(std::string type, dns::Name at, Make make);
};

} // namespace danelaw::delivery::test
