// Is this text or wire data a domain name, and what is its one canonical form?
// RFC 1035 3.1, RFC 5890, UTS 46 (non-transitional), DANE-054. Pure, but for libidn2's tables.
#include "danelaw/dns/name.hpp"

#include "danelaw/base/text.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <idn2.h>
#include <memory>

namespace danelaw::dns {
namespace {

constexpr std::size_t longest_label = 63;
constexpr std::size_t longest_name = 253; // text without the final dot: 255 octets on the wire
constexpr std::size_t longest_wire = 255;

struct FreeIdn {
    void operator()(char* p) const { idn2_free(p); }
};

bool host_octet(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// Labels of 1 to 63 host octets, 253 octets in all. Lower-cases.
std::optional<std::string> checked(std::string_view text) {
    if (text.empty() || text.size() > longest_name) return std::nullopt;
    std::size_t label = 0;
    for (char c : text) {
        if (c == '.') {
            if (label == 0) return std::nullopt;
            label = 0;
        } else if (!host_octet(static_cast<unsigned char>(c)) || ++label > longest_label) {
            return std::nullopt;
        }
    }
    if (label == 0) return std::nullopt;
    return lower(text);
}

std::optional<std::string> to_a_labels(std::string_view text) {
    char* raw = nullptr;
    const std::string copy(text);
    const int rc = idn2_to_ascii_8z(copy.c_str(), &raw, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    std::unique_ptr<char, FreeIdn> holder(raw);
    if (rc != IDN2_OK || raw == nullptr) return std::nullopt;
    return std::string(raw);
}

} // namespace

std::optional<Name> Name::from(std::string_view text) {
    Name name;
    if (text == ".") return name;
    if (text.find('\0') != std::string_view::npos || text.size() > 4 * longest_name) return std::nullopt;
    std::string ascii(text);
    if (!is_ascii(text)) {
        if (!is_utf8(text)) return std::nullopt;
        auto converted = to_a_labels(text);
        if (!converted) return std::nullopt;
        ascii = std::move(*converted);
    }
    if (ascii.ends_with('.')) ascii.pop_back();
    auto good = checked(ascii);
    if (!good) return std::nullopt;
    name.text_ = std::move(*good);
    return name;
}

std::optional<Name> Name::from_wire(std::string_view wire) {
    if (wire.empty() || wire.size() > longest_wire) return std::nullopt;
    Name name;
    std::size_t at = 0;
    while (true) {
        if (at >= wire.size()) return std::nullopt;
        const auto length = static_cast<unsigned char>(wire[at++]);
        if (length == 0) break;
        // Two high bits set would be a compression pointer: RFC 3597 4, none in what is handed to us.
        if (length > longest_label || wire.size() - at < length) return std::nullopt;
        if (!name.text_.empty()) name.text_ += '.';
        for (const char c : wire.substr(at, length)) {
            if (host_octet(static_cast<unsigned char>(c))) {
                name.text_ += lower(std::string_view(&c, 1));
            } else {
                char escaped[5];
                std::snprintf(escaped, sizeof escaped, "\\%03u", static_cast<unsigned>(static_cast<unsigned char>(c)));
                name.text_ += escaped;
            }
        }
        at += length;
    }
    if (at != wire.size()) return std::nullopt;
    return name;
}

bool Name::is_host() const {
    return checked(text_).has_value();
}

bool Name::ends_with(const Name& parent) const {
    if (parent.empty()) return true;
    if (!text_.ends_with(parent.text_)) return false;
    const std::size_t above = text_.size() - parent.text_.size();
    return above == 0 || text_[above - 1] == '.'; // a dot inside a label is escaped, so this is a label's border
}

std::string Name::unicode() const {
    if (text_.find("xn--") == std::string::npos) return text_;
    char* raw = nullptr;
    const int rc = idn2_to_unicode_8z8z(text_.c_str(), &raw, 0);
    std::unique_ptr<char, FreeIdn> holder(raw);
    if (rc != IDN2_OK || raw == nullptr) return text_;
    return raw;
}

// An owner that gets too long for the DNS keeps its text: the resolver then refuses it, and a failed lookup skips the
// host. It must not turn into another name that securely has no TLSA records.
Name tlsa_owner(const Name& base, unsigned port) {
    Name owner;
    owner.text_ = "_" + std::to_string(port) + "._tcp";
    if (!base.empty()) owner.text_ += "." + base.text_;
    return owner;
}

} // namespace danelaw::dns
