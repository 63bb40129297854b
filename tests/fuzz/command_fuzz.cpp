// Command lines from any client: parsed or refused with a sane reply; what is accepted comes out in strict form and is
// accepted again (SS-099, SS-006, SS-017).
#include "require.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/smtp/command_in.hpp"
#include "danelaw/smtp/session_rules.hpp"

#include <cstdint>

namespace {

using namespace danelaw::smtp;

void refused(const ServerReply& reply) {
    require(reply.code >= 400 && reply.code < 600);
    auto line = wire(reply);
    require(line.size() <= 512 && line.ends_with("\r\n") && line.find('\n') == line.size() - 1);
    require(danelaw::is_ascii(line));
}

void mail(std::string_view arguments) {
    auto parsed = parse_mail(arguments, Syntax::sloppy, RequireTls::offered);
    if (!parsed) return refused(parsed.error());
    auto strict = "FROM:<" + parsed->path.text() + ">" + (parsed->smtputf8 ? " SMTPUTF8" : "");
    auto again = parse_mail(strict, Syntax::strict, RequireTls::offered);
    require(again && again->path.text() == parsed->path.text());
}

void rcpt(std::string_view arguments, Utf8 utf8) {
    auto parsed = parse_rcpt(arguments, Syntax::sloppy, utf8);
    if (!parsed) return refused(parsed.error());
    auto again = parse_rcpt("TO:<" + parsed->mailbox.text() + ">", Syntax::strict, utf8);
    require(again && again->mailbox == parsed->mailbox);
    require(parsed->mailbox.domain.empty() || !lane_of(parsed->mailbox.text()).empty());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view line(reinterpret_cast<const char*>(data), size);
    auto command = parse_command(line);
    if (command.verb == Verb::malformed) return 0;
    mail(command.arguments);
    rcpt(command.arguments, Utf8::off);
    rcpt(command.arguments, Utf8::on);
    if (auto bdat = parse_bdat(command.arguments); !bdat) refused(bdat.error());
    if (auto name = parse_helo_name(command.arguments); !name) refused(name.error());
    for (auto state : {State::connected, State::greeted, State::mail, State::refused, State::rcpt, State::bdat,
                       State::bdat_failed}) {
        SessionFacts facts;
        facts.state = state;
        if (auto no = refusal(facts, command)) refused(*no);
    }
    return 0;
}
