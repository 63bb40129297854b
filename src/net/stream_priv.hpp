// A stream's inside: the descriptor, and after start_tls the SSL object over it. Private to net.
#pragma once

#include "descriptor_priv.hpp"

#include <openssl/ssl.h>

namespace danelaw::net {

struct Stream::Impl {
    explicit Impl(std::unique_ptr<Descriptor> connected);

    // One step of reading: octets, 0 for "would block", or why not. `want` says what to wait for.
    Result<std::size_t> try_read(std::span<char> buffer, Until& want);
    Result<std::size_t> try_write(std::string_view bytes, Until& want);
    Result<std::size_t> try_plain_read(std::span<char> buffer);
    Result<std::size_t> try_plain_write(std::string_view bytes);
    // What a failed SSL call means: 0 for "wait for `want`", else the error.
    Result<std::size_t> tls_verdict(int returned, Until& want, std::string_view what);
    Task<Result<void>> handshake(Deadline deadline);
    Task<void> send_close_notify(Deadline deadline);
    bool pending() const; // octets that OpenSSL has read from the socket already
    // A peer that always has octets ready must not keep others from their turn.
    Task<void> yield_now_and_then();
    Result<void> refuse_if_unusable(Deadline deadline);
    std::unexpected<Error> give_up(Error error); // closes

    struct FreeSsl {
        void operator()(SSL* freed) const { SSL_free(freed); }
    };

    // Before `socket`, so that it is freed after it: SSL_free does not touch the descriptor (BIO_NOCLOSE).
    std::unique_ptr<SSL, FreeSsl> ssl;
    std::unique_ptr<Descriptor> socket;
    std::optional<Endpoint> peer, local; // asked at once: a reset connection no longer tells
    bool unix_domain = false;
    bool in_tls = false; // the handshake is complete
    bool ended = false;  // the peer sent its last octet
    bool just_wrote = false;
    int without_wait = 0;
};

} // namespace danelaw::net
