// What a reply means at its stage.
#include "danelaw/policy/verdict.hpp"

namespace danelaw::policy {

namespace {

// D-14: "no mail here" (RFC 7504, RFC 7505 4.1). Any other refusal in a greeting may be of the moment or of us.
bool never_takes_mail(int code) {
    return code == 521 || code == 556;
}

// SC-021: refused for what we are, not for what EHLO is.
bool refused_by_policy(const smtp::Reply& reply) {
    return reply.code == 530 || reply.code == 554 || never_takes_mail(reply.code) ||
           reply.enhanced().starts_with("5.7.");
}

// SC-055, RFC 5321 4.5.3.1.10: 452, or 552 of old, once others were taken. x.2.z is said of this one mailbox.
bool too_many(Stage stage, const smtp::Reply& reply, std::size_t accepted_before) {
    if (stage != Stage::rcpt || accepted_before == 0 || (reply.code != 452 && reply.code != 552)) return false;
    const auto enhanced = reply.enhanced();
    return enhanced.size() < 4 || enhanced.substr(1, 3) != ".2.";
}

ReplyVerdict to_recipients(Stage stage, const smtp::Reply& reply, std::size_t accepted_before) {
    if (too_many(stage, reply, accepted_before)) return {Then::next_transaction, false, false};
    // D-37, RFC 5321 4.5.3.1.10: 552 to RCPT is the "too many recipients" of old.
    const bool permanent = reply.cls() == 5 && !(stage == Stage::rcpt && reply.code == 552);
    return {permanent ? Then::bounce : Then::defer, false, false};
}

} // namespace

bool refuses_us(int code) {
    return code == 530 || code == 534 || code == 535 || code == 538;
}

ReplyVerdict on_reply(Stage stage, const smtp::Reply& reply, std::size_t accepted_before) {
    const int cls = reply.cls();
    const bool over = reply.code == 421;
    switch (stage) {
    case Stage::greeting:
        if (reply.code == 220) return {Then::go_on, false, false};
        return {Then::next_host, over, never_takes_mail(reply.code)}; // SC-020
    case Stage::ehlo:
        if (cls == 2) return {Then::go_on, false, false};
        if (cls == 5 && !refused_by_policy(reply)) return {Then::try_helo, false, false};
        return {Then::next_host, over, false};
    case Stage::helo: return {cls == 2 ? Then::go_on : Then::next_host, over, false};
    case Stage::starttls:
        if (reply.code == 220) return {Then::go_on, false, false};
        return {over ? Then::next_host : Then::no_tls, over, false};
    case Stage::mail:
    case Stage::rcpt: // 251 is accepted, 551 refused
        if (cls == 2) return {Then::go_on, false, false};
        break;
    case Stage::data:
        if (cls == 3) return {Then::go_on, false, false};
        break; // 2yz to DATA is a broken server's: never success (SC-052)
    case Stage::end_of_data:
        if (cls == 2) return {Then::go_on, false, false};
        break;
    }
    if (over) return {Then::defer, true, false}; // SC-031
    return to_recipients(stage, reply, accepted_before);
}

} // namespace danelaw::policy
