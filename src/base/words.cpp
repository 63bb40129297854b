// The contract's words, one table an enum.
#include "danelaw/base/words.hpp"

#include <array>
#include <utility>

namespace danelaw {
namespace {

template <class E, std::size_t N> using Words = std::array<std::pair<E, std::string_view>, N>;

constexpr Words<Level, 6> levels{{{Level::none, "none"},
                                  {Level::encrypted, "encrypted"},
                                  {Level::dane_ee, "dane-ee"},
                                  {Level::dane_ta, "dane-ta"},
                                  {Level::mta_sts, "mta-sts"},
                                  {Level::pkix, "pkix"}}};

constexpr Words<Verdict, 4> verdicts{{{Verdict::delivered, "delivered"},
                                      {Verdict::deferred, "deferred"},
                                      {Verdict::bounced, "bounced"},
                                      {Verdict::expired, "expired"}}};

constexpr Words<TlsPolicy, 6> policies{{{TlsPolicy::none, "none"},
                                        {TlsPolicy::may, "may"},
                                        {TlsPolicy::encrypt, "encrypt"},
                                        {TlsPolicy::dane, "dane"},
                                        {TlsPolicy::dane_only, "dane-only"},
                                        {TlsPolicy::verify, "verify"}}};

// SC-096: the status that stands for a reason when no server gave one, without its class.
struct ReasonRow {
    Reason reason;
    std::string_view word;
    std::string_view status;
};
constexpr std::array reasons{
    ReasonRow{Reason::none, "", "0.0"},
    ReasonRow{Reason::starttls_not_supported, "starttls-not-supported", "7.4"},
    ReasonRow{Reason::tlsa_invalid, "tlsa-invalid", "7.5"},
    ReasonRow{Reason::certificate_host_mismatch, "certificate-host-mismatch", "7.5"},
    ReasonRow{Reason::certificate_expired, "certificate-expired", "7.5"},
    ReasonRow{Reason::certificate_not_trusted, "certificate-not-trusted", "7.5"},
    ReasonRow{Reason::validation_failure, "validation-failure", "7.5"},
    ReasonRow{Reason::dnssec_invalid, "dnssec-invalid", "4.3"},
    ReasonRow{Reason::dane_required, "dane-required", "7.5"},
    ReasonRow{Reason::sts_policy_fetch_error, "sts-policy-fetch-error", "7.5"},
    ReasonRow{Reason::sts_policy_invalid, "sts-policy-invalid", "7.5"},
    ReasonRow{Reason::sts_webpki_invalid, "sts-webpki-invalid", "7.5"},
    ReasonRow{Reason::dns_error, "dns-error", "4.3"},
    ReasonRow{Reason::domain_not_found, "domain-not-found", "1.2"},
    ReasonRow{Reason::no_mail_service, "no-mail-service", "1.10"},
    ReasonRow{Reason::no_usable_host, "no-usable-host", "4.4"},
    ReasonRow{Reason::connect_failed, "connect-failed", "4.1"},
    ReasonRow{Reason::timeout, "timeout", "4.2"},
    ReasonRow{Reason::tls_handshake_failed, "tls-handshake-failed", "7.5"},
    ReasonRow{Reason::smtp_reply, "smtp-reply", "0.0"},
    ReasonRow{Reason::connection_lost, "connection-lost", "4.2"},
    ReasonRow{Reason::mail_loop, "mail-loop", "4.6"},
    ReasonRow{Reason::requiretls_unsupported, "requiretls-unsupported", "7.30"},
    ReasonRow{Reason::smtputf8_unsupported, "smtputf8-unsupported", "6.7"},
    ReasonRow{Reason::eight_bit_mime_unsupported, "8bitmime-unsupported", "6.3"},
    ReasonRow{Reason::message_too_large, "message-too-large", "3.4"},
    ReasonRow{Reason::policy_hold, "policy-hold", "7.1"},
};

template <class Table, class E> std::string_view find_word(const Table& table, E value) {
    for (const auto& [v, w] : table)
        if (v == value) return w;
    return "";
}

template <class E, class Table> std::optional<E> find_value(const Table& table, std::string_view word) {
    for (const auto& [v, w] : table)
        if (w == word) return v;
    return std::nullopt;
}

const ReasonRow& row(Reason r) {
    for (const auto& candidate : reasons)
        if (candidate.reason == r) return candidate;
    return reasons.front();
}

} // namespace

std::string_view word(Level v) {
    return find_word(levels, v);
}
std::string_view word(Verdict v) {
    return find_word(verdicts, v);
}
std::string_view word(TlsPolicy v) {
    return find_word(policies, v);
}
std::string_view word(Reason v) {
    return row(v).word;
}

std::optional<Level> level_from(std::string_view w) {
    return find_value<Level>(levels, w);
}
std::optional<Verdict> verdict_from(std::string_view w) {
    return find_value<Verdict>(verdicts, w);
}
std::optional<TlsPolicy> tls_policy_from(std::string_view w) {
    return find_value<TlsPolicy>(policies, w);
}
std::optional<Reason> reason_from(std::string_view w) {
    for (const auto& candidate : reasons)
        if (candidate.word == w) return candidate.reason;
    return std::nullopt;
}

bool is_tls_policy_failure(Reason r) {
    switch (r) {
    case Reason::starttls_not_supported:
    case Reason::tlsa_invalid:
    case Reason::certificate_host_mismatch:
    case Reason::certificate_expired:
    case Reason::certificate_not_trusted:
    case Reason::validation_failure:
    case Reason::dane_required:
    case Reason::sts_policy_fetch_error:
    case Reason::sts_policy_invalid:
    case Reason::sts_webpki_invalid:
    case Reason::tls_handshake_failed: return true;
    case Reason::none:
    case Reason::dnssec_invalid: // D-05, contract: failed or bogus lookups always defer
    case Reason::dns_error:
    case Reason::domain_not_found:
    case Reason::no_mail_service:
    case Reason::no_usable_host:
    case Reason::connect_failed:
    case Reason::timeout:
    case Reason::smtp_reply:
    case Reason::connection_lost:
    case Reason::mail_loop:
    case Reason::requiretls_unsupported:
    case Reason::smtputf8_unsupported:
    case Reason::eight_bit_mime_unsupported:
    case Reason::message_too_large:
    case Reason::policy_hold: return false;
    }
    return false;
}

bool is_about_message(Reason r) {
    return r == Reason::requiretls_unsupported || r == Reason::smtputf8_unsupported ||
           r == Reason::eight_bit_mime_unsupported || r == Reason::message_too_large;
}

std::string_view status_detail(Reason r) {
    return row(r).status;
}

} // namespace danelaw
