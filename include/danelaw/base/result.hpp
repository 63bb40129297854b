// How an operation that could not go on says so. Pure; used everywhere.
// An *outcome* (what an operator reads: 4xx, no match, bogus) is a value of its own type, never an Error.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <expected>
#include <string>
#include <utility>

namespace danelaw {

enum class Errc {
    io,          // the operating system refused
    closed,      // the peer went away
    timeout,     // a deadline passed
    cancelled,   // we gave up ourselves (shutdown)
    parse,       // bytes that do not fit their grammar
    limit,       // beyond one of base/limits.hpp
    tls,         // the TLS library refused
    dns,         // the resolver library refused
    config,      // the configuration is wrong
    not_found,   // the thing named does not exist
    full,        // no room left on stable storage
    damaged,     // stored bytes fail their checksum
    unavailable, // the store or service can't answer now
    stale,       // a lease was lost: somebody else owns the work now
};

struct Error {
    Errc code = Errc::io;
    std::string detail; // for people; names what and where
};

template <class T> using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string detail) {
    return std::unexpected<Error>(Error{code, std::move(detail)});
}
inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>(std::move(error));
}

// For invariants of our own, never for what a peer sends.
#define DANELAW_CHECK(cond)                                                                                            \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            std::fprintf(stderr, "danelaw: broken invariant at %s:%d: %s\n", __FILE__, __LINE__, #cond);               \
            std::abort();                                                                                              \
        }                                                                                                              \
    } while (false)

} // namespace danelaw
