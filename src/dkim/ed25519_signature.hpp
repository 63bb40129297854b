// A DKIM signature by an Ed25519 key (RFC 8463), relaxed/relaxed. Made here: libopendkim 2.11 never gives back the key
// that it reads for every such signature, about 1.3 KiB each. Private to src/dkim.
#pragma once

#include "danelaw/base/result.hpp"

#include <openssl/evp.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::dkim {

using PrivateKey = std::shared_ptr<EVP_PKEY>;

// RFC 6376 3.4.2: a field as it stands, folded; without final CRLF.
std::string relaxed_field(std::string_view raw);

// RFC 6376 3.4.4 over a body that comes in any pieces.
class RelaxedBody {
  public:
    std::string feed(std::string_view octets); // canonical octets that are ready
    std::string finish();

  private:
    void put(char c, std::string& out);

    std::size_t empty_lines_ = 0; // count only when text follows
    bool blank_ = false;          // so does white space
    bool in_line_ = false;
    bool cr_ = false;
};

class Ed25519Signature {
  public:
    // `names`: what is signed where it stands; `sealed`: of these, what is signed once more than it stands (8.15).
    Ed25519Signature(PrivateKey key, std::string domain, std::string selector);
    void header(const std::vector<std::string>& fields, std::span<const char* const> names,
                std::span<const char* const> sealed);
    void body(std::string_view octets);
    Result<std::string> finish(); // the field, with its final CRLF

  private:
    PrivateKey key_;
    std::string domain_, selector_;
    std::string signed_names_; // the value of h=
    std::string signed_text_;  // the header's canonical fields
    RelaxedBody relaxed_;
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> body_hash_;
};

} // namespace danelaw::dkim
