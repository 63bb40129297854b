#include "danelaw/smtp/reply.hpp"

#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"

#include <utility>

namespace danelaw::smtp {
namespace {

bool digit(char c) {
    return c >= '0' && c <= '9';
}

// One to three digits from `at`; returns the place after them, or npos.
std::size_t after_number(std::string_view s, std::size_t at) {
    std::size_t n = 0;
    while (at + n < s.size() && n < 4 && digit(s[at + n])) ++n;
    return n >= 1 && n <= 3 ? at + n : std::string_view::npos;
}

// "5.7.1" at the start of `s` when its class is `cls` and a blank or the end follows.
std::string_view status_at_start(std::string_view s, char cls) {
    if (s.size() < 5 || s[0] != cls || s[1] != '.') return {};
    auto subject_end = after_number(s, 2);
    if (subject_end == std::string_view::npos || subject_end >= s.size() || s[subject_end] != '.') return {};
    auto detail_end = after_number(s, subject_end + 1);
    if (detail_end == std::string_view::npos) return {};
    if (detail_end < s.size() && s[detail_end] != ' ' && s[detail_end] != '\t') return {};
    return s.substr(0, detail_end);
}

} // namespace

std::string Reply::enhanced() const {
    for (const auto& line : lines) {
        auto status = status_at_start(line, static_cast<char>('0' + cls()));
        if (!status.empty()) return std::string(status);
    }
    return {};
}

std::string Reply::text() const {
    return printable(join(lines, " "));
}

ReplyParser::Step ReplyParser::refuse(std::string why) {
    problem_ = std::move(why);
    return Step::error;
}

ReplyParser::Step ReplyParser::feed(std::string_view line) {
    octets_ += line.size() + 2;
    if (line.size() > limits::reply_line) return refuse("reply line too long");
    if (octets_ > limits::reply_total) return refuse("reply too long");
    if (reply_.lines.size() >= limits::reply_lines) return refuse("reply has too many lines");
    // Only 2yz to 5yz are replies of SMTP; 1yz has no meaning here (RFC 5321 4.2.1, H116).
    if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]))
        return refuse("not a reply: " + printable(line, 80));
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (!reply_.lines.empty() && code != reply_.code)
        return refuse("codes differ inside one reply: " + printable(line, 80));
    char mark = line.size() > 3 ? line[3] : ' '; // a bare "250" is the last line (SC-028)
    if (mark != ' ' && mark != '-' && mark != '\t') return refuse("not a reply: " + printable(line, 80));
    reply_.code = code;
    reply_.lines.emplace_back(line.size() > 4 ? line.substr(4) : std::string_view{});
    return mark == '-' ? Step::more : Step::done;
}

Reply ReplyParser::take() {
    octets_ = 0;
    return std::exchange(reply_, {});
}

} // namespace danelaw::smtp
