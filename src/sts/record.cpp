// The grammar of RFC 8461 3.1, field by field. Anything malformed announces nothing (MS-004).
#include "danelaw/sts/record.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::sts {

namespace {

constexpr std::string_view version = "v=STSv1";
constexpr std::size_t longest_name = 32, longest_id = 32;

bool letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool name_octet(char c) {
    return letter_or_digit(c) || c == '_' || c == '-' || c == '.';
}
bool value_octet(char c) { // visible ASCII without "=" and ";"
    return c > 0x20 && c < 0x7f && c != '=' && c != ';';
}

struct Field {
    std::string_view name, value;
};

std::optional<Field> field(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos || equals > longest_name) return std::nullopt;
    const Field out{text.substr(0, equals), text.substr(equals + 1)};
    if (!letter_or_digit(out.name.front()) || !std::ranges::all_of(out.name, name_octet)) return std::nullopt;
    if (out.value.empty() || !std::ranges::all_of(out.value, value_octet)) return std::nullopt;
    return out;
}

std::optional<Record> parse(std::string_view text) {
    if (!text.starts_with(version)) return std::nullopt;
    const auto parts = split(text.substr(version.size()), ';');
    if (parts.size() < 2 || !trim(parts.front()).empty())
        return std::nullopt; // the delimiter follows, maybe after blanks
    Record out;
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const bool last = i + 1 == parts.size();
        const auto text_of = last ? std::string_view(parts[i]) : trim(parts[i]);
        const auto from = text_of.find_first_not_of(" \t"); // blanks belong to a delimiter, so none may end the record
        if (from == std::string_view::npos && last && i > 1) break; // a final delimiter
        const auto one = field(from == std::string_view::npos ? "" : text_of.substr(from));
        if (!one) return std::nullopt;
        if (one->name != "id" || !out.id.empty()) continue; // of repeated fields the first counts
        if (one->value.size() > longest_id || !std::ranges::all_of(one->value, letter_or_digit)) return std::nullopt;
        out.id = one->value;
    }
    if (out.id.empty()) return std::nullopt;
    return out;
}

} // namespace

std::optional<Record> find_record(const std::vector<std::string>& texts) {
    // D-20: blanks before the first ";" are lawful, but such a record would not survive the rule below among others.
    if (texts.size() == 1) return parse(texts.front());
    std::vector<std::string_view> ours;
    for (const auto& text : texts)
        if (text.starts_with("v=STSv1;")) ours.push_back(text);
    if (ours.size() != 1) return std::nullopt;
    return parse(ours.front());
}

} // namespace danelaw::sts
