#include "danelaw/smtp/address.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/dns/name.hpp"

namespace danelaw::smtp {
namespace {

using Fault = std::unexpected<AddressFault>;

bool high(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}
bool control(char c) {
    return static_cast<unsigned char>(c) < 32 || c == 127;
}

// RFC 5322 atext, and UTF8-non-ascii (RFC 6531 3.3).
bool atext(char c) {
    if (high(c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
    return c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

std::string quoted(std::string_view octets) {
    std::string out = "\"";
    for (char c : octets) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

bool is_dot_string(std::string_view s) {
    bool atom_open = false;
    for (char c : s) {
        if (c == '.' ? !atom_open : !atext(c)) return false;
        atom_open = c != '.';
    }
    return atom_open;
}

// The quoted string at the front of `rest`, kept as written.
std::expected<std::string, AddressFault> take_quoted(std::string_view& rest) {
    for (std::size_t i = 1; i < rest.size(); ++i) {
        if (control(rest[i])) return Fault(AddressFault::syntax); // qtextSMTP and quoted-pairSMTP: 32…126
        if (rest[i] == '"') {
            std::string text(rest.substr(0, i + 1));
            rest.remove_prefix(i + 1);
            return text;
        }
        if (rest[i] == '\\') {
            ++i;
            if (i >= rest.size() || control(rest[i]) || high(rest[i])) return Fault(AddressFault::syntax);
        }
    }
    return Fault(AddressFault::syntax); // unbalanced quote (SS-094)
}

std::expected<std::string, AddressFault> take_local(std::string_view& rest, Syntax syntax) {
    if (!rest.empty() && rest.front() == '"') return take_quoted(rest);
    std::size_t n = 0;
    while (n < rest.size() && (atext(rest[n]) || rest[n] == '.')) ++n;
    auto local = rest.substr(0, n);
    rest.remove_prefix(n);
    if (local.empty()) return Fault(AddressFault::syntax);
    if (is_dot_string(local)) return std::string(local);
    // Empty atoms: old software writes "ilo.@host"; it leaves as a quoted string (D-18, H154).
    if (syntax == Syntax::strict) return Fault(AddressFault::syntax);
    return quoted(local);
}

std::optional<IpAddress> literal_address(std::string_view inside) {
    if (istarts_with(inside, "IPv6:")) {
        auto v6 = inside.substr(5);
        if (v6.find(':') == std::string_view::npos || v6.find('%') != std::string_view::npos) return std::nullopt;
        return IpAddress::parse(v6);
    }
    if (inside.find(':') != std::string_view::npos) return std::nullopt; // General-address-literal (SS-008, SC-010)
    return IpAddress::parse(inside);
}

std::expected<std::string, AddressFault> take_literal(std::string_view& rest) {
    auto end = rest.find(']');
    if (end == std::string_view::npos || !literal_address(rest.substr(1, end - 1)))
        return Fault(AddressFault::bad_literal);
    std::string text(rest.substr(0, end + 1));
    rest.remove_prefix(end + 1);
    return text;
}

bool label_char(char c) {
    return high(c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

std::expected<std::string, AddressFault> take_domain(std::string_view& rest) {
    if (!rest.empty() && rest.front() == '[') return take_literal(rest);
    std::size_t n = 0;
    while (n < rest.size() && (label_char(rest[n]) || rest[n] == '.')) ++n;
    auto domain = rest.substr(0, n);
    rest.remove_prefix(n);
    if (domain.size() > limits::domain) return Fault(AddressFault::domain_too_long);
    if (domain.empty() || domain.front() == '.' || domain.back() == '.')
        return Fault(AddressFault::bad_domain); // SS-008
    if (!dns::Name::from(domain)) return Fault(AddressFault::bad_domain);
    return std::string(domain);
}

// "@a,@b:" (RFC 5321 4.1.2 A-d-l): understood and dropped (SS-009).
std::expected<void, AddressFault> skip_route(std::string_view& rest) {
    while (!rest.empty() && rest.front() == '@') {
        rest.remove_prefix(1);
        auto hop = take_domain(rest);
        if (!hop) return Fault(hop.error());
        if (rest.empty() || (rest.front() != ',' && rest.front() != ':')) return Fault(AddressFault::syntax);
        bool last = rest.front() == ':';
        rest.remove_prefix(1);
        if (last) return {};
        if (rest.empty() || rest.front() != '@') return Fault(AddressFault::syntax);
    }
    return {};
}

std::expected<Mailbox, AddressFault> take_mailbox(std::string_view& rest, Syntax syntax) {
    auto local = take_local(rest, syntax);
    if (!local) return Fault(local.error());
    if (local->size() > limits::local_part) return Fault(AddressFault::local_too_long);
    if (rest.empty() || rest.front() != '@') {
        if (iequals(*local, "postmaster")) return Mailbox{std::move(*local), ""}; // SS-010
        return Fault(AddressFault::syntax);
    }
    rest.remove_prefix(1);
    auto domain = take_domain(rest);
    if (!domain) return Fault(domain.error());
    if (!is_utf8(*local) || !is_utf8(*domain)) return Fault(AddressFault::bad_utf8);
    return Mailbox{std::move(*local), std::move(*domain)};
}

std::optional<std::string> ascii_domain(std::string_view domain) {
    auto name = dns::Name::from(domain);
    if (!name || name->empty()) return std::nullopt;
    return name->text();
}

} // namespace

std::string_view word(AddressFault fault) {
    switch (fault) {
    case AddressFault::syntax: return "Bad address syntax";
    case AddressFault::local_too_long: return "Local part too long";
    case AddressFault::domain_too_long: return "Domain too long";
    case AddressFault::bad_utf8: return "Address is not valid UTF-8";
    case AddressFault::bad_literal: return "Bad address literal";
    case AddressFault::bad_domain: return "Bad domain";
    }
    return {};
}

std::string Mailbox::text() const {
    return domain.empty() ? local : local + '@' + domain;
}

std::string Mailbox::unquoted_local() const {
    if (!local.starts_with('"') || local.size() < 2) return local;
    std::string out;
    for (std::size_t i = 1; i + 1 < local.size(); ++i) {
        if (local[i] == '\\' && i + 2 < local.size()) ++i;
        out += local[i];
    }
    return out;
}

bool Mailbox::same_as(const Mailbox& other) const {
    if (unquoted_local() != other.unquoted_local()) return false;
    return iequals(domain, other.domain) || lane_of(text()) == lane_of(other.text());
}

std::expected<Path, AddressFault> take_path(std::string_view& rest, Syntax syntax) {
    if (syntax == Syntax::sloppy)
        while (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) rest.remove_prefix(1);
    bool bracketed = !rest.empty() && rest.front() == '<';
    if (!bracketed && (syntax == Syntax::strict || rest.empty())) return Fault(AddressFault::syntax);
    if (bracketed) rest.remove_prefix(1);
    if (bracketed && !rest.empty() && rest.front() == '>') {
        rest.remove_prefix(1);
        if (!rest.empty() && rest.front() != ' ') return Fault(AddressFault::syntax);
        return Path{};
    }
    if (auto routed = skip_route(rest); !routed) return Fault(routed.error());
    auto mailbox = take_mailbox(rest, syntax);
    if (!mailbox) return Fault(mailbox.error());
    if (bracketed) {
        if (rest.empty() || rest.front() != '>') return Fault(AddressFault::syntax);
        rest.remove_prefix(1);
    }
    if (!rest.empty() && rest.front() != ' ') return Fault(AddressFault::syntax);
    return Path{std::move(*mailbox)};
}

std::expected<Mailbox, AddressFault> parse_mailbox(std::string_view text, Syntax syntax) {
    auto mailbox = take_mailbox(text, syntax);
    if (mailbox && (!text.empty() || mailbox->domain.empty())) return Fault(AddressFault::syntax);
    return mailbox;
}

std::string lane_of(std::string_view address) {
    auto at = address.rfind('@'); // a domain holds none; a quoted local part may
    if (at == std::string_view::npos || at == 0) return {};
    auto domain = address.substr(at + 1);
    if (domain.size() > 2 && domain.front() == '[' && domain.back() == ']') {
        auto ip = literal_address(domain.substr(1, domain.size() - 2));
        return ip ? '[' + ip->text() + ']' : std::string();
    }
    return ascii_domain(domain).value_or("");
}

std::optional<IpAddress> literal_of_lane(std::string_view lane) {
    if (lane.size() < 3 || lane.front() != '[' || lane.back() != ']') return std::nullopt;
    return IpAddress::parse(lane.substr(1, lane.size() - 2));
}

bool needs_smtputf8(std::string_view address) {
    return !is_ascii(address.substr(0, address.rfind('@')));
}

std::string wire_form(std::string_view address) {
    auto at = address.rfind('@');
    if (at == std::string_view::npos || is_ascii(address) || !is_ascii(address.substr(0, at)))
        return std::string(address);
    auto domain = ascii_domain(address.substr(at + 1));
    return domain ? std::string(address.substr(0, at + 1)) + *domain : std::string(address);
}

} // namespace danelaw::smtp
