// A directory of its own for a test's files, and a certificate with its key.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace danelaw::config {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/danelaw-config-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string write(const std::string& name, const std::string& content) const {
        std::ofstream(path + "/" + name) << content;
        return path + "/" + name;
    }
    // NAME.key of Ed25519, as DKIM takes it.
    void ed25519_key(const std::string& name) const {
        EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
        FILE* out = std::fopen((path + "/" + name + ".key").c_str(), "w");
        PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(out);
        EVP_PKEY_free(key);
    }
    // NAME.crt and NAME.key: a self-signed certificate and its key.
    void certificate(const std::string& name) const {
        EVP_PKEY* key = EVP_EC_gen("P-256");
        X509* cert = X509_new();
        X509_gmtime_adj(X509_getm_notBefore(cert), 0);
        X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
        X509_set_pubkey(cert, key);
        X509_sign(cert, key, EVP_sha256());
        std::FILE* out = std::fopen((path + "/" + name + ".crt").c_str(), "w");
        PEM_write_X509(out, cert);
        std::fclose(out);
        out = std::fopen((path + "/" + name + ".key").c_str(), "w");
        PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
        std::fclose(out);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
};

} // namespace danelaw::config
