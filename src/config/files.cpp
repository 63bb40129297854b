// Can the files that the configuration names be used? Asked before the daemon starts or reloads, so that a wrong path
// is a line of `config check` and not a refused handshake at night.
#include "reader.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <memory>
#include <sstream>

namespace danelaw::config {
namespace {

struct Free {
    void operator()(BIO* b) const { BIO_free(b); }
    void operator()(X509* x) const { X509_free(x); }
    void operator()(EVP_PKEY* k) const { EVP_PKEY_free(k); }
};
template <class T> using Held = std::unique_ptr<T, Free>;

std::optional<std::string> slurp(const std::string& file) {
    std::ifstream in(file);
    std::stringstream all;
    if (!in || !(all << in.rdbuf())) return std::nullopt;
    return all.str();
}

Held<BIO> memory(const std::string& pem) {
    return Held<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

int no_passphrase(char*, int, int, void*) {
    return 0;
} // a daemon can't be asked for one

Held<X509> first_certificate(const std::string& pem) {
    const Held<BIO> in = memory(pem);
    Held<X509> found(PEM_read_bio_X509(in.get(), nullptr, no_passphrase, nullptr));
    ERR_clear_error();
    return found;
}

Held<EVP_PKEY> private_key_of(const std::string& pem) {
    const Held<BIO> in = memory(pem);
    Held<EVP_PKEY> found(PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr));
    ERR_clear_error();
    return found;
}

} // namespace

std::string private_key_problem(const std::string& file) {
    const auto pem = slurp(file);
    if (!pem) return "can't read " + file;
    if (!private_key_of(*pem)) return file + " holds no PEM private key without passphrase";
    return "";
}

// RFC 8301 3.2, RFC 8463
std::string dkim_key_problem(const std::string& file) {
    if (std::string wrong = private_key_problem(file); !wrong.empty()) return wrong;
    const Held<EVP_PKEY> key = private_key_of(*slurp(file));
    const int kind = EVP_PKEY_base_id(key.get());
    if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_ED25519) return file + ": DKIM knows RSA and Ed25519 keys only";
    if (kind == EVP_PKEY_RSA && EVP_PKEY_bits(key.get()) < 1024) return file + ": the RSA key has less than 1024 bits";
    return "";
}

std::string ca_file_problem(const std::string& file) {
    const auto pem = slurp(file);
    if (!pem) return "can't read " + file;
    if (!first_certificate(*pem)) return file + " holds no PEM certificate";
    return "";
}

std::string key_pair_problem(const std::string& certificate, const std::string& private_key) {
    if (std::string wrong = ca_file_problem(certificate); !wrong.empty()) return wrong;
    if (std::string wrong = private_key_problem(private_key); !wrong.empty()) return wrong;
    const Held<X509> leaf = first_certificate(*slurp(certificate));
    const Held<EVP_PKEY> key = private_key_of(*slurp(private_key));
    const int fits = leaf && key ? X509_check_private_key(leaf.get(), key.get()) : 0;
    ERR_clear_error();
    if (fits != 1) return "the key in " + private_key + " is not that of the first certificate in " + certificate;
    return "";
}

std::string users_file_problem(const std::string& file) {
    const auto all = slurp(file);
    if (!all) return "can't read " + file;
    int number = 0;
    for (const std::string& raw : split(*all, '\n')) {
        ++number;
        const std::string_view line = trim(raw);
        if (line.empty() || line.front() == '#') continue;
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0 || !line.substr(colon + 1).starts_with('$')) {
            return file + ":" + std::to_string(number) + ": must read name:crypt(3) hash";
        }
    }
    return "";
}

} // namespace danelaw::config
