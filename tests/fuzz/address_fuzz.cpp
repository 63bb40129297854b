// Addresses: strict form is a fixed point, equality is sane, lanes are names (SS-007, SS-094).
#include "require.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/smtp/address.hpp"
#include "danelaw/smtp/xtext.hpp"

#include <cstdint>

using namespace danelaw::smtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    for (auto syntax : {Syntax::strict, Syntax::sloppy}) {
        auto rest = text;
        auto path = take_path(rest, syntax);
        if (!path || path->is_null()) continue;
        auto strict = '<' + path->text() + '>';
        std::string_view again_rest = strict;
        auto again = take_path(again_rest, Syntax::strict);
        require(again && again->mailbox == path->mailbox && again_rest.empty());
        require(path->mailbox->same_as(*again->mailbox));
        require(path->text().find_first_of("\r\n") == std::string::npos);
        if (path->mailbox->domain.empty()) continue;
        require(parse_mailbox(path->text()).has_value());
        auto lane = lane_of(path->text());
        require(!lane.empty() && danelaw::is_ascii(lane) && lane == danelaw::lower(lane));
        if (!needs_smtputf8(path->text())) require(danelaw::is_ascii(wire_form(path->text())));
    }
    require(from_xtext(xtext(text)) == text);
    if (auto decoded = from_xtext(text)) require(from_xtext(xtext(*decoded)) == decoded);
    return 0;
}
