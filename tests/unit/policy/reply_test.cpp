// What replies mean at their stage (SC-020, SC-021, SC-031, SC-052…057, SC-072, D-14, D-37), and the status table
// SC-096.
#include "danelaw/policy/verdict.hpp"

#include <gtest/gtest.h>

namespace danelaw::policy {
namespace {

std::string shown(const ReplyVerdict& v) {
    const char* then = v.then == Then::go_on              ? "go on"
                       : v.then == Then::try_helo         ? "HELO"
                       : v.then == Then::no_tls           ? "no TLS"
                       : v.then == Then::next_host        ? "next host"
                       : v.then == Then::defer            ? "defer"
                       : v.then == Then::next_transaction ? "next transaction"
                                                          : "bounce";
    return std::string(then) + (v.session_over ? ", over" : "") + (v.final_everywhere ? ", final" : "");
}

TEST(OnReply, Table) {
    using enum Stage;
    struct {
        Stage stage;
        int code;
        const char* text;
        const char* want;
    } const rows[] = {
        {greeting, 220, "mx", "go on"},
        {greeting, 421, "busy", "next host, over"},
        {greeting, 450, "later", "next host"},
        {greeting, 554, "no SMTP service", "next host"},
        {greeting, 521, "no mail", "next host, final"},
        {greeting, 556, "no mail", "next host, final"},
        {greeting, 250, "odd", "next host"},
        {ehlo, 250, "mx", "go on"},
        {ehlo, 500, "what", "HELO"},
        {ehlo, 502, "no", "HELO"},
        {ehlo, 504, "no", "HELO"},
        {ehlo, 550, "no", "HELO"},
        {ehlo, 550, "5.7.1 you are blocked", "next host"},
        {ehlo, 554, "blocked", "next host"},
        {ehlo, 421, "busy", "next host, over"},
        {ehlo, 451, "later", "next host"},
        {helo, 250, "mx", "go on"},
        {helo, 550, "no", "next host"},
        {starttls, 220, "go", "go on"},
        {starttls, 454, "not now", "no TLS"},
        {starttls, 501, "no", "no TLS"},
        {starttls, 250, "odd", "no TLS"},
        {starttls, 421, "bye", "next host, over"},
        {mail, 250, "ok", "go on"},
        {mail, 299, "ok", "go on"},
        {mail, 421, "bye", "defer, over"},
        {mail, 451, "later", "defer"},
        {mail, 452, "full", "defer"},
        {mail, 550, "no", "bounce"},
        {mail, 552, "too big", "bounce"},
        {rcpt, 250, "ok", "go on"},
        {rcpt, 251, "forward", "go on"},
        {rcpt, 450, "greylisted", "defer"},
        {rcpt, 452, "too many", "defer"},
        {rcpt, 550, "unknown", "bounce"},
        {rcpt, 551, "not local", "bounce"},
        {rcpt, 552, "too many", "defer"},
        {rcpt, 421, "bye", "defer, over"},
        {rcpt, 354, "odd", "defer"},
        {data, 354, "go", "go on"},
        {data, 451, "later", "defer"},
        {data, 554, "no valid recipients", "bounce"},
        {data, 250, "odd", "defer"},
        {data, 421, "bye", "defer, over"},
        {end_of_data, 250, "queued", "go on"},
        {end_of_data, 451, "later", "defer"},
        {end_of_data, 552, "too big", "bounce"},
        {end_of_data, 554, "spam", "bounce"},
        {end_of_data, 354, "odd", "defer"},
        {end_of_data, 421, "bye", "defer, over"},
    };
    for (const auto& row : rows) {
        const smtp::Reply reply{row.code, {row.text}};
        EXPECT_EQ(shown(on_reply(row.stage, reply)), row.want)
            << static_cast<int>(row.stage) << " " << row.code << " " << row.text;
    }
}

TEST(OnReply, TooManyRecipientsAtOnce) { // SC-055, SC-072, RFC 5321 4.5.3.1.10
    struct {
        Stage stage;
        int code;
        const char* text;
        std::size_t accepted;
        const char* want;
    } const rows[] = {
        {Stage::rcpt, 452, "4.5.3 too many", 1, "next transaction"},
        {Stage::rcpt, 452, "too many", 100, "next transaction"},
        {Stage::rcpt, 552, "5.5.3 too many", 1, "next transaction"},
        {Stage::rcpt, 452, "4.5.3 too many", 0, "defer"},     // not because of the others
        {Stage::rcpt, 552, "too many", 0, "defer"},           // D-37
        {Stage::rcpt, 452, "4.2.2 mailbox full", 1, "defer"}, // said of this mailbox
        {Stage::rcpt, 552, "5.2.2 mailbox full", 1, "defer"},
        {Stage::rcpt, 450, "4.5.3 too many", 1, "defer"},
        {Stage::rcpt, 550, "5.5.3 too many", 1, "bounce"},
        {Stage::rcpt, 421, "4.5.3 too many", 1, "defer, over"},
        {Stage::mail, 452, "full", 1, "defer"},
        {Stage::data, 452, "full", 1, "defer"},
        {Stage::end_of_data, 552, "too big", 1, "bounce"},
    };
    for (const auto& row : rows) {
        const smtp::Reply reply{row.code, {row.text}};
        EXPECT_EQ(shown(on_reply(row.stage, reply, row.accepted)), row.want)
            << row.code << " " << row.text << " after " << row.accepted;
    }
}

TEST(Status, WhenNoServerGaveOne) { // SC-096
    using enum Reason;
    const std::pair<Reason, const char*> rows[] = {
        {dns_error, "4.3"},
        {dnssec_invalid, "4.3"},
        {domain_not_found, "1.2"},
        {no_mail_service, "1.10"},
        {no_usable_host, "4.4"},
        {connect_failed, "4.1"},
        {timeout, "4.2"},
        {connection_lost, "4.2"},
        {mail_loop, "4.6"},
        {starttls_not_supported, "7.4"},
        {tlsa_invalid, "7.5"},
        {dane_required, "7.5"},
        {validation_failure, "7.5"},
        {certificate_host_mismatch, "7.5"},
        {certificate_expired, "7.5"},
        {certificate_not_trusted, "7.5"},
        {tls_handshake_failed, "7.5"},
        {sts_policy_fetch_error, "7.5"},
        {sts_policy_invalid, "7.5"},
        {sts_webpki_invalid, "7.5"},
        {requiretls_unsupported, "7.30"},
        {smtputf8_unsupported, "6.7"},
        {eight_bit_mime_unsupported, "6.3"},
        {message_too_large, "3.4"},
    };
    for (const auto& [reason, want] : rows) EXPECT_EQ(status_detail(reason), want) << word(reason);
}

} // namespace
} // namespace danelaw::policy
