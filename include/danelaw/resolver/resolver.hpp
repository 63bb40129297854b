// DNS lookups with DNSSEC validation inside this process (DANE-001): libunbound behind one small interface.
// Identical lookups in flight are shared; `timeout` bounds a whole lookup with its alias chain (DANE-015).
// Called from one io thread.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/dns/answer.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>
#include <vector>

namespace danelaw::resolver {

template <class T> using Task = boost::asio::awaitable<T>;

class Resolver {
  public:
    virtual ~Resolver() = default;
    virtual Task<dns::Answer<dns::Mx>> mx(dns::Name name) = 0;
    virtual Task<dns::Answer<IpAddress>> a(dns::Name name) = 0;
    virtual Task<dns::Answer<IpAddress>> aaaa(dns::Name name) = 0;
    virtual Task<dns::Answer<dns::Tlsa>> tlsa(dns::Name owner) = 0;
    virtual Task<dns::Answer<std::string>> txt(dns::Name name) = 0;
    virtual Task<dns::Answer<dns::Name>>
    cname(dns::Name name) = 0; // the first link's own status (DANE-009); no alias: absent

    struct Counters {
        std::uint64_t secure = 0, insecure = 0, bogus = 0, error = 0, in_flight = 0;
    };
    virtual Counters counters() const = 0;
};

struct Options {
    std::string trust_anchors_file;         // "" for none
    std::vector<std::string> trust_anchors; // "test. IN DS …" or DNSKEY form
    std::vector<std::string> forwarders;    // "127.0.0.1@5353"
    struct Stub {
        std::string zone;
        std::vector<std::string> servers;
    };
    std::vector<Stub> stub_zones;
    Millis timeout = std::chrono::seconds(20);
    std::uint64_t cache_size = 64 * 1024 * 1024;
    bool ipv6 = true;
};

Result<std::unique_ptr<Resolver>> make_unbound(boost::asio::any_io_executor executor, Options options);

// Never off in silence (DANE-010): is the trust anchor at work? Asks for the anchor's own zone (DNSKEY/SOA) and demands
// `secure`.
struct Health {
    bool ok = false;
    std::string text;
};
Task<Health> prove_trust(Resolver& resolver, Options options);

} // namespace danelaw::resolver
