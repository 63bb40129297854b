#include "danelaw/relay/users.hpp"

#include "danelaw/base/text.hpp"

#include <crypt.h>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <openssl/crypto.h>

namespace danelaw::relay {
namespace {

// crypt(3) with state of its own: two workers at once do not meet. "" when the method is unknown here.
std::string crypted(const std::string& password, const std::string& setting) {
    auto state = std::make_unique<crypt_data>();
    std::memset(state.get(), 0, sizeof(crypt_data));
    const char* out = crypt_r(password.c_str(), setting.c_str(), state.get());
    std::string text = out == nullptr || out[0] == '*' ? std::string() : std::string(out);
    OPENSSL_cleanse(state.get(), sizeof(crypt_data)); // it holds the password (SS-085)
    return text;
}

} // namespace

Result<Users> Users::parse(std::string_view text) {
    Users users;
    int number = 0;
    for (const auto& raw : split(text, '\n')) {
        ++number;
        auto line = trim(raw);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with('#')) continue;
        auto colon = line.find(':');
        auto where = "line " + std::to_string(number);
        if (colon == std::string_view::npos || colon == 0) return fail(Errc::config, where + ": not name:hash");
        std::string name(line.substr(0, colon)), hash(line.substr(colon + 1));
        hash = hash.substr(0, hash.find(':')); // further fields, as in passwd files
        // A word without "$" is old DES crypt only at its one length; else it is a password in clear.
        bool shaped = hash.starts_with('$') || hash.starts_with('_') || hash.size() == 13;
        if (!shaped || crypt_checksalt(hash.c_str()) == CRYPT_SALT_INVALID)
            return fail(Errc::config, where + ": not a crypt(3) hash");
        if (!users.hashes_.emplace(std::move(name), hash).second)
            return fail(Errc::config, where + ": name given twice");
        if (hash.size() > users.decoy_.size()) users.decoy_ = hash;
    }
    return users;
}

Result<std::shared_ptr<const Users>> Users::load(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return fail(Errc::config, file + ": cannot be read");
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    auto users = parse(text);
    if (!users) return fail(Errc::config, file + ": " + users.error().detail);
    return std::make_shared<const Users>(std::move(*users));
}

bool Users::check(const std::string& user, const std::string& password) const {
    auto found = hashes_.find(user);
    const std::string& want = found == hashes_.end() ? decoy_ : found->second;
    bool plausible = !want.empty() && password.find('\0') == std::string::npos; // crypt() would stop at a NUL
    std::string got = crypted(password, want);
    bool same = got.size() == want.size() && CRYPTO_memcmp(got.data(), want.data(), want.size()) == 0;
    return plausible && same && found != hashes_.end();
}

} // namespace danelaw::relay
