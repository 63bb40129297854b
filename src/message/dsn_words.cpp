// A notice's plain words: what each reason means to somebody who only sent a mail, and whose it is to mend (DQ-042).

#include "danelaw/message/dsn.hpp"

namespace danelaw::message {

std::string_view word(Action a) {
    switch (a) {
    case Action::failed: return "failed";
    case Action::delayed: return "delayed";
    case Action::relayed: return "relayed";
    case Action::delivered: return "delivered";
    }
    return "";
}

std::string_view explain(Reason reason) {
    switch (reason) {
    case Reason::none: return "";
    case Reason::starttls_not_supported:
        return "Mail to this destination may only travel encrypted, and its server does not offer encryption "
               "(STARTTLS). Nothing was sent to it.";
    case Reason::tlsa_invalid:
        return "The destination publishes, in signed DNS (DNSSEC), which certificate its mail server must show (DANE "
               "TLSA "
               "records). The server showed another one, so somebody may be listening in between. Nothing was sent to "
               "it.";
    case Reason::certificate_host_mismatch:
        return "The server's certificate is for another name. Nothing was sent to it.";
    case Reason::certificate_expired:
        return "The server's certificate has run out or is not valid yet. Nothing was sent to it.";
    case Reason::certificate_not_trusted:
        return "The server's certificate was not issued by anybody that the destination's policy names or that we "
               "trust. "
               "Nothing was sent to it.";
    case Reason::validation_failure:
        return "The server could not prove to be the one that the destination's policy demands. Nothing was sent to "
               "it.";
    case Reason::dnssec_invalid:
        return "The destination's DNS records fail their signature check (DNSSEC): they may be forged, so they were "
               "not "
               "used.";
    case Reason::dane_required:
        return "Mail to this destination may only go to servers with published certificates (DANE), and none was "
               "found.";
    case Reason::sts_policy_fetch_error:
        return "The destination announces a mail security policy (MTA-STS) that could not be fetched.";
    case Reason::sts_policy_invalid: return "The destination's mail security policy (MTA-STS) is malformed.";
    case Reason::sts_webpki_invalid:
        return "The web server that holds the destination's mail security policy (MTA-STS) has a bad certificate.";
    case Reason::dns_error:
        return "The destination's mail servers could not be looked up: its DNS did not answer properly.";
    case Reason::domain_not_found: return "The domain in the address does not exist.";
    case Reason::no_mail_service: return "The domain in the address says that it takes no mail.";
    case Reason::no_usable_host: return "None of the domain's mail servers has an address.";
    case Reason::connect_failed: return "The destination's mail servers could not be reached.";
    case Reason::timeout: return "The destination's mail server did not answer in time.";
    case Reason::tls_handshake_failed:
        return "No encrypted connection to the server could be made, and the mail may not go unencrypted.";
    case Reason::smtp_reply: return "The destination's mail server refused the message with the words above.";
    case Reason::connection_lost: return "The connection to the destination's mail server broke.";
    case Reason::mail_loop:
        return "The message came back to where it had been: the destination's mail servers send in a circle.";
    case Reason::requiretls_unsupported:
        return "The message was to travel over verified encryption only (REQUIRETLS), and the destination does not do "
               "that.";
    case Reason::smtputf8_unsupported:
        return "The message has non-English characters in an address or its header, and the destination's mail server "
               "does "
               "not take those.";
    case Reason::eight_bit_mime_unsupported:
        return "The destination's mail server takes only plain 7-bit messages, and this one could not be converted "
               "without "
               "damage.";
    case Reason::message_too_large: return "The message is larger than the destination's mail server takes.";
    case Reason::policy_hold: return "The message was stopped by this mail system's operator.";
    }
    return "";
}

std::string_view remedy(Reason reason) {
    switch (reason) {
    case Reason::none:
    case Reason::smtp_reply:
    case Reason::policy_hold: return "";
    case Reason::starttls_not_supported: return "The server's operator must switch STARTTLS on.";
    case Reason::tlsa_invalid:
        return "The server's operator must publish TLSA records that match the server's certificate, or install the "
               "certificate that they name.";
    case Reason::certificate_host_mismatch:
        return "The server's operator must install a certificate for the server's name.";
    case Reason::certificate_expired: return "The server's operator must renew the certificate.";
    case Reason::certificate_not_trusted:
        return "The server's operator must install a certificate with its whole chain from an accepted issuer.";
    case Reason::validation_failure: return "The server's operator must bring policy and server in line.";
    case Reason::dnssec_invalid: return "The domain's DNS operator must repair its DNSSEC signatures.";
    case Reason::dane_required: return "The domain's operator must sign its DNS and publish TLSA records.";
    case Reason::sts_policy_fetch_error:
    case Reason::sts_policy_invalid:
    case Reason::sts_webpki_invalid: return "The domain's operator must repair its MTA-STS policy host.";
    case Reason::dns_error: return "The domain's DNS operator must repair its name servers.";
    case Reason::domain_not_found:
    case Reason::no_mail_service: return "Please check the address for typing errors.";
    case Reason::no_usable_host: return "The domain's DNS operator must give its mail servers addresses.";
    case Reason::connect_failed:
    case Reason::timeout:
    case Reason::connection_lost: return "The server's operator must find out why it is not reachable.";
    case Reason::tls_handshake_failed: return "The server's operator must repair its TLS settings.";
    case Reason::mail_loop: return "The domain's operator must correct its MX records or its mail routing.";
    case Reason::requiretls_unsupported:
        return "Send it again without that demand, if it may travel with less protection.";
    case Reason::smtputf8_unsupported: return "Use addresses and a subject in plain ASCII, if there are such.";
    case Reason::eight_bit_mime_unsupported: return "Send it again in a 7-bit encoding.";
    case Reason::message_too_large: return "Send less at once.";
    }
    return "";
}

} // namespace danelaw::message
