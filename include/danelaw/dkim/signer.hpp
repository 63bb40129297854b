// DKIM signatures (RFC 6376, RFC 8463) over content that streams by: relayed mail, notices, TLS reports.
// relaxed/relaxed, no l=, so that nothing can be appended (TR-044). libopendkim and OpenSSL stay inside.
// A signature covers the body but stands in the header: relay keeps the fields it puts on top in the message's first
// piece, written last (message/received.hpp). A message that we signed is not re-encoded any more.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/base/time.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::dkim {

struct KeySource {
    std::string domain, selector;
    std::string private_key; // PEM file: RSA (1024 bits at least) or Ed25519
};

// Keys read once; shared by all threads.
class Keys {
  public:
    struct Impl;
    // errc::config names the file and what is wrong with it.
    static Result<std::shared_ptr<const Keys>> load(const std::vector<KeySource>& sources);
    explicit Keys(std::unique_ptr<Impl> impl);
    ~Keys();
    bool empty() const;
    bool signs_for(std::string_view domain) const; // a key of the domain, or of a parent of it
    const Impl& impl() const { return *impl_; }

  private:
    std::unique_ptr<Impl> impl_;
};

// Signs for the domain of the From field: by its own key, else by its nearest parent's.
class Signer {
  public:
    struct Impl;
    explicit Signer(std::shared_ptr<const Keys> keys);
    Signer(Signer&&) noexcept;
    Signer& operator=(Signer&&) noexcept;
    ~Signer();

    void feed(std::string_view octets); // header, blank line, body; any split
    // The DKIM-Signature field with its final CRLF, to be put on top; "" when no key is for this From, or the header is
    // not one that can be signed (no or several From, too large).
    Result<std::string> finish();

  private:
    std::unique_ptr<Impl> impl_;
};

Result<std::string> sign(const std::shared_ptr<const Keys>& keys, std::string_view content);

// The domain of a From field's value, lower case; "" when there is not exactly one mailbox.
std::string from_domain(std::string_view value);

} // namespace danelaw::dkim
