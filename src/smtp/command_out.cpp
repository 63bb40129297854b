#include "danelaw/smtp/command_out.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/smtp/address.hpp"

namespace danelaw::smtp {
namespace {

std::string_view body_parameter(Body body, const Capabilities& offered) {
    switch (body) {
    case Body::seven_bit: return {};
    case Body::eight_bit_mime: return offered.eight_bit_mime ? " BODY=8BITMIME" : std::string_view{};
    case Body::binary_mime: return offered.binarymime ? " BODY=BINARYMIME" : std::string_view{};
    }
    return {};
}

std::string ret_parameter(const MailFacts& facts) {
    if (facts.ret == Ret::unset) return {};
    if (!facts.ret_as_received.empty()) return " RET=" + std::string(facts.ret_as_received);
    return facts.ret == Ret::full ? " RET=FULL" : " RET=HDRS";
}

// One UTF-8 character (already validated) as its code point; advances `i` to its last octet.
unsigned code_point(std::string_view s, std::size_t& i) {
    auto lead = static_cast<unsigned char>(s[i]);
    unsigned more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    unsigned point = lead & (0x3Fu >> more);
    for (; more > 0 && i + 1 < s.size(); --more) point = (point << 6) | (static_cast<unsigned char>(s[++i]) & 0x3Fu);
    return point;
}

std::string hex_number(unsigned n) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    do {
        out.insert(out.begin(), digits[n & 15]);
        n >>= 4;
    } while (n != 0);
    return out.size() < 2 ? '0' + out : out;
}

} // namespace

std::string seven_bit_orcpt(std::string_view orcpt) {
    std::string out;
    for (std::size_t i = 0; i < orcpt.size(); ++i) {
        if (static_cast<unsigned char>(orcpt[i]) < 0x80)
            out += orcpt[i];
        else
            out += "\\x{" + hex_number(code_point(orcpt, i)) + '}';
    }
    return out;
}

std::string notify_text(const Notify& notify) {
    if (!notify.as_received.empty()) return notify.as_received;
    if (notify.never) return "NEVER";
    std::string out;
    auto add = [&out](bool wanted, std::string_view name) {
        if (!wanted) return;
        if (!out.empty()) out += ',';
        out += name;
    };
    add(notify.success, "SUCCESS");
    add(notify.failure, "FAILURE");
    add(notify.delay, "DELAY");
    return out;
}

std::string mail_command(const MailFacts& facts, const Capabilities& offered) {
    std::string line = "MAIL FROM:<" + wire_form(facts.reverse_path) + '>';
    if (offered.size_offered && facts.size) line += " SIZE=" + std::to_string(*facts.size); // RFC 1870 5
    line += body_parameter(facts.body, offered);
    if (facts.needs_smtputf8 && offered.smtputf8) line += " SMTPUTF8"; // RFC 6531 3.4
    if (facts.requiretls && offered.requiretls) line += " REQUIRETLS"; // RFC 8689 4.2.1
    if (offered.dsn) {                                                 // SC-079, SC-080
        line += ret_parameter(facts);
        if (!facts.envid.empty()) line.append(" ENVID=").append(facts.envid);
    }
    return line + "\r\n";
}

std::string rcpt_command(const RcptFacts& facts, const Capabilities& offered) {
    std::string line = "RCPT TO:<" + wire_form(facts.address) + '>';
    if (offered.dsn) {
        if (auto notify = notify_text(facts.notify); !notify.empty()) line += " NOTIFY=" + notify;
        if (!facts.orcpt.empty())
            line += " ORCPT=" + (facts.with_smtputf8 ? std::string(facts.orcpt) : seven_bit_orcpt(facts.orcpt));
    }
    return line + "\r\n";
}

} // namespace danelaw::smtp
