// One call of OpenSSL's.
#include "digest.hpp"

#include <openssl/sha.h>

namespace danelaw::tlsrpt {

std::string sha256(std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(out.data()));
    return out;
}

} // namespace danelaw::tlsrpt
