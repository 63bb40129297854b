// TLS towards clients: a context made from a listener's certificate files, a prepared SSL object per session, and what
// the handshake told. A context never changes; a reload makes a new one, and sessions keep the one that they began with
// (SS-077).
#pragma once

#include "danelaw/base/result.hpp"

#include <memory>
#include <optional>
#include <string>

struct ssl_st;

namespace danelaw::tls {

struct ServerFiles {
    std::string certificate; // PEM chain, leaf first
    std::string private_key; // PEM; "": it stands in the certificate file
    std::string client_ca;   // PEM; "": clients are not asked for a certificate (SS-076)
};

class ServerContext {
  public:
    // errc::config, in words for the operator: unreadable, not PEM, encrypted, or a key of another certificate.
    static Result<std::shared_ptr<const ServerContext>> load(const ServerFiles& files);
    ~ServerContext();

    // For one session; ownership passes to the stream. It may outlive the context.
    Result<ssl_st*> prepare() const;

  private:
    ServerContext();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// After a completed handshake.
struct ServerFacts {
    std::string protocol, cipher; // "TLSv1.3", "TLS_AES_256_GCM_SHA384"
    std::string sni;              // as the client said it, escaped; nothing depends on it
    // Subject of the client's certificate if, and only if, client_ca verified it: it gives rights (SS-076).
    std::optional<std::string> client;
    std::string client_refused; // why a certificate that was sent gives none; "" when none was sent
};
ServerFacts server_facts(const ssl_st* ssl);

} // namespace danelaw::tls
