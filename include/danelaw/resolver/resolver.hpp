// DNS lookups with DNSSEC validation inside this process (DANE-001): libunbound behind one small interface.
// Identical lookups in flight are shared; `timeout` bounds a whole lookup with its alias chain (DANE-015).
// Called from one io thread. A cancelled task's lookup ends with an error at once. It must
// outlive the tasks that ask it.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/dns/anchor.hpp"
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

// Of a host that is no mail host: where its records come from doesn't matter, its certificate decides.
struct HostAddresses {
    std::vector<IpAddress> addresses; // IPv4 first
    std::string why;                  // when there are none
};
Task<HostAddresses> addresses_of(Resolver& resolver, dns::Name host);

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

// errc::config for servers, zones or anchors that are none, errc::dns when the library refuses. Reads neither
// resolv.conf nor hosts (H38). To be made after any fork: libunbound has a thread of its own.
Result<std::unique_ptr<Resolver>> make_unbound(boost::asio::any_io_executor executor, Options options);

// The anchors that these options name, from the file and from the list, in that order. errc::config names the file and
// line.
Result<std::vector<dns::TrustAnchor>> load_trust_anchors(const Options& options);

// Never off in silence (DANE-010): are the trust anchors at work? Each anchor's own zone must come out `secure`. Two
// faults would otherwise be seen late or never: no anchor that can be used (everything quietly insecure), and a
// forwarder that takes the signatures out (every signed zone bogus, H34).
enum class Trust {
    proven,
    no_anchor,   // none configured, or none usable: nothing can ever be secure
    insecure,    // an anchor is there, and yet its zone is not validated
    bogus,       // signatures are missing or do not verify: wrong anchor, forwarder without DNSSEC, wrong clock
    unreachable, // no answer; may heal
};
std::string_view word(Trust t);
struct Health {
    bool ok = false;
    Trust trust = Trust::no_anchor;
    std::string text; // one sentence for people, with the likely cause
};
Task<Health> prove_trust(Resolver& resolver, Options options);

} // namespace danelaw::resolver
