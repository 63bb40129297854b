// Small text helpers, ASCII only: protocol text is never treated by locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw {

using Bytes = std::uint64_t; // a size in octets

std::string lower(std::string_view s);
std::string upper(std::string_view s);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view s, std::string_view prefix);
std::string_view trim(std::string_view s); // SP and HTAB at both ends
std::vector<std::string> split(std::string_view s, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
bool is_ascii(std::string_view s);
bool is_utf8(std::string_view s);                              // well-formed: no overlongs, no surrogates (RFC 3629)
std::optional<std::uint64_t> parse_number(std::string_view s); // decimal digits only, no sign, no overflow

std::string hex(std::string_view bytes);                    // lower case
std::optional<std::string> unhex(std::string_view text);    // blanks allowed between octets
std::string base64(std::string_view bytes);                 // no line breaks
std::optional<std::string> unbase64(std::string_view text); // strict: padding, no blanks

// Text from a peer made safe for a log line, a reply or a report: control octets, DEL and broken UTF-8 become
// \xHH, at most `most` octets with "..." for the rest (DANE-A21, SS-017, DQ-056).
std::string printable(std::string_view s, std::size_t most = 1024);

std::string size_text(Bytes n);                      // "50MiB"
std::optional<Bytes> parse_size(std::string_view s); // "64KiB", "50MiB", "123"

// The nearest of `known` to `word` by edit distance, or "" when none is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

} // namespace danelaw
