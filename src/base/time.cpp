// Text forms of times and durations (RFC 3339, RFC 5322 3.3, the configuration's).
#include "danelaw/base/time.hpp"

#include "danelaw/base/text.hpp"

#include <array>
#include <fmt/format.h>

namespace danelaw {
namespace {

using namespace std::chrono;

constexpr std::array weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Unit {
    std::string_view name;
    long long millis;
};
constexpr std::array units{Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000},
                           Unit{"ms", 1}};

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) return std::nullopt;
    const auto n = parse_number(text.substr(at, count));
    if (!n) return std::nullopt;
    return static_cast<int>(*n);
}

} // namespace

std::string day_text(year_month_day day) {
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                       static_cast<unsigned>(day.day()));
}

std::string rfc3339(Time t) {
    const auto day = floor<days>(t);
    const year_month_day ymd{day};
    const hh_mm_ss clock{t - day};
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(ymd.year()),
                       static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::optional<Time> parse_rfc3339(std::string_view text) {
    const auto y = digits(text, 0, 4), mo = digits(text, 5, 2), d = digits(text, 8, 2), h = digits(text, 11, 2),
               mi = digits(text, 14, 2), s = digits(text, 17, 2);
    if (!y || !mo || !d || !h || !mi || !s || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    if ((text[10] != 'T' && text[10] != 't' && text[10] != ' ') || text.back() != 'Z') return std::nullopt;
    long long ms = 0;
    if (text.size() > 20) {
        if (text[19] != '.') return std::nullopt;
        std::string fraction{text.substr(20, text.size() - 21)};
        if (fraction.empty()) return std::nullopt;
        fraction.resize(3, '0');
        const auto n = parse_number(fraction);
        if (!n) return std::nullopt;
        ms = static_cast<long long>(*n);
    }
    const year_month_day ymd{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
    if (!ymd.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
    return Time{sys_days{ymd}} + hours{*h} + minutes{*mi} + seconds{*s} + milliseconds{ms};
}

std::string rfc5322_date(Time t) {
    const auto day = floor<days>(t);
    const year_month_day ymd{day};
    const hh_mm_ss clock{floor<seconds>(t - day)};
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", weekdays[weekday{day}.c_encoding()],
                       static_cast<unsigned>(ymd.day()), months[static_cast<unsigned>(ymd.month()) - 1],
                       static_cast<int>(ymd.year()), clock.hours().count(), clock.minutes().count(),
                       clock.seconds().count());
}

std::string duration_text(Millis d) {
    long long left = d.count();
    if (left == 0) return "0s";
    std::string out = left < 0 ? "-" : "";
    if (left < 0) left = -left;
    for (const auto& unit : units) {
        if (left < unit.millis) continue;
        out += fmt::format("{}{}", left / unit.millis, unit.name);
        left %= unit.millis;
    }
    return out;
}

std::optional<Millis> parse_duration(std::string_view text) {
    text = trim(text);
    long long total = 0;
    bool any = false;
    while (!text.empty()) {
        std::size_t n = 0;
        while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
        const auto number = parse_number(text.substr(0, n));
        if (!number || *number > 1'000'000'000'000ull) return std::nullopt;
        text.remove_prefix(n);
        std::size_t u = 0;
        while (u < text.size() && (text[u] < '0' || text[u] > '9')) ++u;
        const auto name = text.substr(0, u);
        text.remove_prefix(u);
        bool known = any == false && name.empty() && *number == 0; // a bare 0
        for (const auto& unit : units) {
            if (unit.name != name) continue;
            if (*number > static_cast<unsigned long long>(1'000'000'000'000'000ll / unit.millis)) return std::nullopt;
            total += static_cast<long long>(*number) * unit.millis;
            known = true;
        }
        if (!known) return std::nullopt;
        any = true;
    }
    if (!any) return std::nullopt;
    return Millis{total};
}

} // namespace danelaw
