// Is this an address, and what is it in strict form? Mailboxes and paths of envelopes.
// Pure. Called for every MAIL and RCPT on both sides. RFC 5321 4.1.2, 4.1.3, 4.1.1.3; RFC 6531 3.3. SS-006…SS-009,
// D-18.
#pragma once

#include "danelaw/base/ip.hpp"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace danelaw::smtp {

struct Mailbox {
    std::string local;  // strict form, case kept: a dot-string or a quoted string with its quotes (SC-084)
    std::string domain; // as written: A-labels, U-labels, or a literal with its brackets; "" for bare <Postmaster> only

    std::string text() const; // local@domain
    bool has_literal() const { return domain.starts_with('['); }
    std::string unquoted_local() const;
    // Equal forms are equal: "a"@d and a@d; domains without case and in A-labels, local parts with it (SS-007).
    bool same_as(const Mailbox& other) const;
    bool operator==(const Mailbox&) const = default;
};

// `<>` is a path without a mailbox.
struct Path {
    std::optional<Mailbox> mailbox;
    bool is_null() const { return !mailbox; }
    std::string text() const { return mailbox ? mailbox->text() : std::string(); }
};

enum class AddressFault { syntax, local_too_long, domain_too_long, bad_utf8, bad_literal, bad_domain };
std::string_view word(AddressFault fault); // for reply texts

// What is let through beyond RFC 5321's grammar, from clients that may relay (D-18, H153, H154): blanks before the
// path, missing brackets, empty atoms in the local part (they come out quoted).
enum class Syntax { strict, sloppy };

// Takes the path off the front of `rest` (what follows "FROM:" or "TO:"); what is left starts with a blank or is empty.
// A source route is dropped. `<Postmaster>` alone gives a mailbox with an empty domain (SS-010).
std::expected<Path, AddressFault> take_path(std::string_view& rest, Syntax syntax);
// A whole text without brackets: "u@d". No source route.
std::expected<Mailbox, AddressFault> parse_mailbox(std::string_view text, Syntax syntax = Syntax::strict);

// The lane that a recipient's mail queues in: its domain in lower-case A-labels, or "[192.0.2.1]", "[2001:db8::1]" for
// a literal of either kind. "" when `address` is not one.
std::string lane_of(std::string_view address);
std::optional<IpAddress> literal_of_lane(std::string_view lane);

// Only a non-ASCII local part makes an address need SMTPUTF8: a domain alone can become A-labels (SC-077).
bool needs_smtputf8(std::string_view address);
// As it goes on the wire: unchanged, but for a non-ASCII domain when the local part is ASCII: that becomes A-labels.
std::string wire_form(std::string_view address);

} // namespace danelaw::smtp
