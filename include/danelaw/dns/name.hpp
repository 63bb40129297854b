// Domain names in the one form everything compares and sends: lower-case A-labels without the final dot (DANE-054).
// Pure, but for IDNA tables.
#pragma once

#include <compare>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace danelaw::dns {

// The root is the empty text. Invariant: what from() let through.
class Name {
  public:
    Name() = default;
    // From an ASCII or UTF-8 host name; U-labels become A-labels (RFC 5890/UTS 46). Refuses empty labels, labels over
    // 63, names over 253 octets and octets other than letters, digits, hyphens and underscores. A single final dot is
    // dropped; "." is the root; the empty text is refused.
    static std::optional<Name> from(std::string_view text);
    // From DNS wire format (uncompressed); octets outside host-name syntax are escaped \DDD and make is_host() false.
    static std::optional<Name> from_wire(std::string_view wire);

    const std::string& text() const { return text_; }
    bool empty() const { return text_.empty(); } // the root
    bool is_host() const;                        // letters, digits, hyphens and underscores in every label
    bool ends_with(const Name& parent) const;    // equal to parent or below it
    std::string unicode() const;                 // U-label form for people; text() when not convertible

    auto operator<=>(const Name&) const = default;
    bool operator==(const Name&) const = default;

  private:
    friend Name tlsa_owner(const Name& base, unsigned port);
    std::string text_;
};

// `_25._tcp.mx.example.org` (DANE-049).
Name tlsa_owner(const Name& base, unsigned port);

} // namespace danelaw::dns

template <> struct std::hash<danelaw::dns::Name> {
    std::size_t operator()(const danelaw::dns::Name& n) const noexcept { return std::hash<std::string>{}(n.text()); }
};
