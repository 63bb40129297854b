// The contract's words for outcomes: results, reasons, TLS levels, TLS policies. One word() per enum, so that code,
// log and JSON read alike. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace danelaw {

// How a delivery's channel was protected (RFC 7672; contract "TLS level").
enum class Level { none, encrypted, dane_ee, dane_ta, mta_sts, pkix };

enum class Verdict { delivered, deferred, bounced, expired };

// Why a recipient was not delivered. The first group are RFC 8460 4.3 result types.
enum class Reason {
    none,
    starttls_not_supported,
    tlsa_invalid,
    certificate_host_mismatch,
    certificate_expired,
    certificate_not_trusted,
    validation_failure,
    dnssec_invalid,
    dane_required,
    sts_policy_fetch_error,
    sts_policy_invalid,
    sts_webpki_invalid,
    dns_error,
    domain_not_found,
    no_mail_service,
    no_usable_host,
    connect_failed,
    timeout,
    tls_handshake_failed,
    smtp_reply,
    connection_lost,
    mail_loop,
    requiretls_unsupported,
    smtputf8_unsupported,
    eight_bit_mime_unsupported,
    message_too_large,
    policy_hold,
};

// tls.policy of the configuration, in Postfix's sense.
enum class TlsPolicy { none, may, encrypt, dane, dane_only, verify };

std::string_view word(Level v);
std::string_view word(Verdict v);
std::string_view word(Reason v); // "" for none
std::string_view word(TlsPolicy v);
std::optional<Level> level_from(std::string_view word);
std::optional<Verdict> verdict_from(std::string_view word);
std::optional<Reason> reason_from(std::string_view word);
std::optional<TlsPolicy> tls_policy_from(std::string_view word);

// Is this a failure of TLS policy (status x.7.x, subject to on_failure), not of DNS, network or the remote's word?
bool is_tls_policy_failure(Reason r);
// A no to what this one message needs: it tells nothing about the destination (SC-071, SC-077, SC-120).
bool is_about_message(Reason r);

// The enhanced status code that we give when no server gave one (SC-096), without its class: "7.5" for tlsa-invalid.
std::string_view status_detail(Reason r);

} // namespace danelaw
