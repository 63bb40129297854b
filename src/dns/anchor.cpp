// Reading trust anchors. RFC 4034 2.2, 5.3 (presentation), RFC 8624 (algorithms), RFC 5011.
#include "danelaw/dns/anchor.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace danelaw::dns {
namespace {

using Words = std::vector<std::string>;

std::unexpected<Error> refuse(std::string why) {
    return fail(Errc::config, std::move(why));
}

Words words_of(std::string_view line) {
    Words words;
    std::string word;
    for (const char c : line) {
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '(' || c == ')') {
            if (!word.empty()) words.push_back(std::move(word));
            word.clear();
        } else {
            word += c;
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

std::optional<unsigned> field(const std::string& word, unsigned most) {
    const auto number = parse_number(word);
    if (!number || *number > most) return std::nullopt;
    return static_cast<unsigned>(*number);
}

// Algorithms that the validator verifies (RFC 8624 3.1, as libunbound with OpenSSL 3 has them).
bool known_algorithm(unsigned algorithm) {
    constexpr std::array known = {5u, 7u, 8u, 10u, 13u, 14u, 15u, 16u};
    return std::ranges::find(known, algorithm) != known.end();
}

std::size_t digest_length(unsigned type) {
    switch (type) {
    case 1: return 20; // SHA-1
    case 2: return 32; // SHA-256
    case 4: return 48; // SHA-384
    default: return 0;
    }
}

std::string joined(std::span<const std::string> words) {
    std::string all;
    for (const auto& word : words) all += word;
    return all;
}

std::string owner_text(const Name& zone) {
    return zone.text() + ".";
}

Result<TrustAnchor> read_ds(Name zone, std::span<const std::string> rest) {
    if (rest.size() < 4) return refuse("DS needs a key tag, an algorithm, a digest type and a digest");
    const auto tag = field(rest[0], 65535), algorithm = field(rest[1], 255), type = field(rest[2], 255);
    const auto digest = unhex(joined(rest.subspan(3)));
    if (!tag || !algorithm || !type) return refuse("DS: key tag, algorithm and digest type must be numbers");
    if (!digest || digest->empty()) return refuse("DS: the digest is not hexadecimal");
    const std::size_t want = digest_length(*type);
    if (want != 0 && digest->size() != want) return refuse("DS: the digest has a wrong length for its type");

    TrustAnchor anchor;
    anchor.text = owner_text(zone) + " IN DS " + std::to_string(*tag) + " " + std::to_string(*algorithm) + " " +
                  std::to_string(*type) + " " + upper(hex(*digest));
    if (!known_algorithm(*algorithm)) anchor.unusable = "algorithm " + std::to_string(*algorithm) + " is not supported";
    if (want == 0) anchor.unusable = "digest type " + std::to_string(*type) + " is not supported";
    anchor.zone = std::move(zone);
    return anchor;
}

Result<TrustAnchor> read_dnskey(Name zone, std::span<const std::string> rest) {
    constexpr unsigned zone_key = 0x0100, revoked = 0x0080;
    if (rest.size() < 4) return refuse("DNSKEY needs flags, a protocol, an algorithm and a key");
    const auto flags = field(rest[0], 65535), protocol = field(rest[1], 255), algorithm = field(rest[2], 255);
    const auto key = unbase64(joined(rest.subspan(3)));
    if (!flags || !protocol || !algorithm) return refuse("DNSKEY: flags, protocol and algorithm must be numbers");
    if (!key || key->size() < 4) return refuse("DNSKEY: the key is not base64");

    TrustAnchor anchor;
    anchor.text = owner_text(zone) + " IN DNSKEY " + std::to_string(*flags) + " " + std::to_string(*protocol) + " " +
                  std::to_string(*algorithm) + " " + base64(*key);
    if (!known_algorithm(*algorithm)) anchor.unusable = "algorithm " + std::to_string(*algorithm) + " is not supported";
    if ((*flags & zone_key) == 0 || *protocol != 3) anchor.unusable = "not a zone key";
    if ((*flags & revoked) != 0) anchor.unusable = "the key is revoked";
    anchor.zone = std::move(zone);
    return anchor;
}

// RFC 5011 in the form that unbound keeps: ";;state=2 [ VALID ]". A key still on probation is not to be trusted yet.
bool counts(std::string_view comment) {
    const auto at = comment.find("state=");
    if (at == std::string_view::npos || at + 6 >= comment.size()) return true;
    const char state = comment[at + 6];
    return state == '2' || state == '3'; // valid, or missing from the zone for the moment
}

} // namespace

Result<TrustAnchor> parse_trust_anchor(std::string_view line) {
    const Words words = words_of(line.substr(0, line.find(';')));
    if (words.empty()) return refuse("a trust anchor is empty");
    auto zone = Name::from(words.front());
    if (!zone) return refuse("'" + printable(words.front(), 80) + "' is not a zone's name");
    std::size_t at = 1;
    while (at < words.size() && (iequals(words[at], "IN") || parse_number(words[at]))) ++at;
    if (at == words.size()) return refuse("neither DS nor DNSKEY");
    const auto rest = std::span(words).subspan(at + 1);
    if (iequals(words[at], "DS")) return read_ds(std::move(*zone), rest);
    if (iequals(words[at], "DNSKEY")) return read_dnskey(std::move(*zone), rest);
    return refuse("'" + printable(words[at], 80) + "' is neither DS nor DNSKEY");
}

Result<std::vector<TrustAnchor>> parse_trust_anchor_file(std::string_view text) {
    std::vector<TrustAnchor> anchors;
    std::string record; // gathered over lines while a parenthesis is open
    std::size_t number = 0;
    bool wanted = true;
    const auto said = [&](std::string_view what) {
        return "line " + std::to_string(number) + ": " + std::string(what);
    };
    for (const std::string& line : split(text, '\n')) {
        ++number;
        const auto comment = line.find(';');
        const auto content = trim(std::string_view(line).substr(0, comment));
        if (comment != std::string::npos && !counts(std::string_view(line).substr(comment))) wanted = false;
        if (record.empty() && content.starts_with('$')) continue; // $TTL, $ORIGIN: nothing that counts here
        record += content;
        record += ' ';
        if (std::ranges::count(record, '(') > std::ranges::count(record, ')')) continue;
        if (!words_of(record).empty() && wanted) {
            auto anchor = parse_trust_anchor(record);
            if (!anchor) return refuse(said(anchor.error().detail));
            anchors.push_back(std::move(*anchor));
        }
        record.clear();
        wanted = true;
    }
    if (!words_of(record).empty()) return refuse(said("an open parenthesis"));
    return anchors;
}

} // namespace danelaw::dns
