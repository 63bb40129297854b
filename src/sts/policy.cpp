// The policy file of RFC 8461 3.2, line by line.
#include "danelaw/sts/policy.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <optional>

namespace danelaw::sts {

namespace {

constexpr Seconds longest_age{31557600}; // a year; RFC 8461 3.2
constexpr std::size_t longest_age_digits = 10;

std::optional<std::string> pattern(std::string_view value) {
    const bool wildcard = value.starts_with("*.");
    const auto domain = wildcard ? value.substr(2) : value;
    if (!is_ascii(domain)) return std::nullopt; // A-labels only (MS-023)
    const auto name = dns::Name::from(domain);  // folds case, drops a final dot
    if (!name || name->empty() || !name->is_host()) return std::nullopt;
    return (wildcard ? "*." : "") + name->text();
}

// The fields while they are gathered: of repeats other than mx the first counts (MS-021).
struct Fields {
    std::optional<std::string> version, mode, max_age;
    std::vector<std::string> mx;
};

Result<void> take(Fields& fields, std::string_view key, std::string_view value) {
    const auto first = [&](std::optional<std::string>& into) {
        if (!into) into = std::string(value);
        return Result<void>{};
    };
    if (key == "version") return first(fields.version);
    if (key == "mode") return first(fields.mode);
    if (key == "max_age") return first(fields.max_age);
    if (key != "mx") return {}; // unknown keys are skipped
    auto one = pattern(value);
    if (!one) return fail(Errc::parse, "mx is not a host name: " + printable(value, 100));
    fields.mx.push_back(std::move(*one));
    return {};
}

Result<Seconds> age(const std::optional<std::string>& text) {
    if (!text) return fail(Errc::parse, "max_age is missing");
    const auto number = text->size() <= longest_age_digits ? parse_number(*text) : std::nullopt;
    if (!number) return fail(Errc::parse, "max_age is not a number of 1 to 10 digits");
    return std::min(Seconds{static_cast<std::int64_t>(*number)}, longest_age); // MS-022
}

std::optional<Mode> mode_from(std::string_view text) {
    for (const auto mode : {Mode::enforce, Mode::testing, Mode::none})
        if (text == word(mode)) return mode;
    return std::nullopt;
}

} // namespace

std::string_view word(Mode m) {
    switch (m) {
    case Mode::enforce: return "enforce";
    case Mode::testing: return "testing";
    case Mode::none: return "none";
    }
    return "";
}

std::vector<std::string> Policy::lines() const {
    std::vector<std::string> out;
    for (const auto& raw : split(text, '\n')) {
        std::string_view line = raw;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!trim(line).empty()) out.emplace_back(trim(line));
    }
    return out;
}

Result<Policy> parse_policy(std::string_view text) {
    Policy out;
    out.text = text;
    Fields fields;
    for (const auto& line : out.lines()) {
        const auto colon = line.find(':');
        if (colon == std::string::npos || colon == 0)
            return fail(Errc::parse, "a line without a key: " + printable(line, 100));
        const auto taken = take(fields, std::string_view(line).substr(0, colon), trim(line.substr(colon + 1)));
        if (!taken) return fail(taken.error());
    }
    if (fields.version != "STSv1") return fail(Errc::parse, "version is not STSv1");
    const auto mode = mode_from(fields.mode.value_or(""));
    if (!mode) return fail(Errc::parse, "mode is none of enforce, testing, none");
    const auto max_age = age(fields.max_age);
    if (!max_age) return fail(max_age.error());
    if (fields.mx.empty() && *mode != Mode::none) return fail(Errc::parse, "no mx");
    out.mode = *mode;
    out.max_age = *max_age;
    out.mx = std::move(fields.mx);
    return out;
}

bool matches(const Policy& policy, const dns::Name& host) {
    const std::string_view name = host.text();
    return std::ranges::any_of(policy.mx, [&](std::string_view one) {
        if (!one.starts_with("*.")) return name == one;
        const auto dot = name.find('.');
        return dot != std::string_view::npos && dot > 0 && name.substr(dot) == one.substr(1); // one label, no more
    });
}

} // namespace danelaw::sts
