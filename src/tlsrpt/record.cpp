// The TXT record of TLS reporting, read with goodwill: what can't be used is left out, what is unclear means no
// reports.
#include "danelaw/tlsrpt/record.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/dns/name.hpp"
#include "danelaw/smtp/address.hpp"

#include <algorithm>
#include <array>

namespace danelaw::tlsrpt {
namespace {

constexpr std::string_view version = "v=TLSRPTv1";

// Blanks may stand before the first delimiter, as the grammar has it (RFC 8460 3, field-delim).
bool is_record(std::string_view text) {
    if (!text.starts_with(version)) return false;
    return trim(text.substr(version.size())).starts_with(';');
}

// `%XX` of any octet; nullopt: broken.
std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const auto octet = i + 2 < text.size() ? unhex(text.substr(i + 1, 2)) : std::nullopt;
        if (!octet || octet->size() != 1) return std::nullopt;
        out += *octet;
        i += 2;
    }
    return out;
}

// RFC 8460 3 makes owners escape these three; in a path they mean the same either way, all other escapes stay.
std::string with_delimiters(std::string text) {
    constexpr std::array<std::pair<std::string_view, char>, 3> three{{{"%2c", ','}, {"%21", '!'}, {"%3b", ';'}}};
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto found = std::ranges::find_if(
            three, [&](const auto& one) { return iequals(std::string_view(text).substr(i, 3), one.first); });
        if (found == three.end()) {
            out += text[i];
        } else {
            out += found->second;
            i += 2;
        }
    }
    return out;
}

bool is_plain(std::string_view text) { // nothing that could end a line of a header or a request
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::optional<Destination> mail(std::string_view rest) {
    const auto address = decoded(rest.substr(0, rest.find('?'))); // no header of the URI's is taken over (TR-048)
    if (!address || !is_plain(*address)) return std::nullopt;
    const auto mailbox = smtp::parse_mailbox(*address);
    if (!mailbox || mailbox->has_literal() || !dns::Name::from(mailbox->domain)) return std::nullopt;
    Destination out;
    out.address = mailbox->text();
    return out;
}

std::optional<Destination> https(std::string_view rest) {
    if (!rest.starts_with("//") || !is_plain(rest)) return std::nullopt;
    rest = rest.substr(2, rest.find('#') - 2);
    const auto end = std::min(rest.find_first_of("/?"), rest.size());
    const std::string_view authority = rest.substr(0, end);
    const auto colon = authority.find(':');
    const auto name = dns::Name::from(authority.substr(0, colon));
    if (!name || name->empty() || authority.find('@') != std::string_view::npos) return std::nullopt;
    Destination out;
    out.kind = Destination::Kind::https;
    out.host = name->text();
    if (colon != std::string_view::npos) {
        const auto port = parse_number(authority.substr(colon + 1));
        if (!port || *port == 0 || *port > 65535) return std::nullopt;
        out.port = static_cast<std::uint16_t>(*port);
    }
    out.target = with_delimiters(std::string(rest.substr(end)));
    if (!out.target.starts_with('/')) out.target.insert(0, "/");
    return out;
}

} // namespace

std::optional<dns::Name> record_owner(std::string_view domain) {
    return dns::Name::from("_smtp._tls." + std::string(domain));
}

std::string Destination::text() const {
    if (kind == Kind::mail) return "mailto:" + address;
    return "https://" + host + (port == 443 ? "" : ":" + std::to_string(port)) + target;
}

std::optional<Destination> destination(std::string_view uri) {
    uri = trim(uri);
    uri =
        uri.substr(0, uri.find('!')); // DMARC's size rule means nothing here (H150); a `!` of the URI's own is escaped
    if (istarts_with(uri, "mailto:")) return mail(uri.substr(7));
    if (istarts_with(uri, "https:")) return https(uri.substr(6));
    return std::nullopt;
}

std::optional<std::string> find_record(const std::vector<std::string>& texts) {
    std::optional<std::string> out;
    for (const auto& text : texts) {
        if (!is_record(text)) continue;
        if (out) return std::nullopt; // RFC 8460 3: more than one is none
        out = text;
    }
    return out;
}

std::vector<Destination> destinations(const std::vector<std::string>& texts) {
    std::vector<Destination> out;
    const auto record = find_record(texts);
    if (!record) return out;
    for (const auto& field : split(*record, ';')) {
        const auto value = trim(field);
        if (!value.starts_with("rua=")) continue; // other fields are extensions
        for (const auto& uri : split(value.substr(4), ',')) {
            auto one = destination(uri);
            if (one && out.size() < limits::report_destinations && std::ranges::find(out, *one) == out.end())
                out.push_back(std::move(*one));
        }
        break; // of a repeated field the first counts
    }
    return out;
}

} // namespace danelaw::tlsrpt
