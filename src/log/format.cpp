// How one event reads. See format.hpp.
#include "danelaw/log/format.hpp"

#include "danelaw/base/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <charconv>

namespace danelaw::log {
namespace {

namespace json = boost::json;

constexpr std::size_t longest_value = 8 * 1024; // a TLSA record with a whole certificate still fits

bool plain(char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void append_quoted(std::string& out, std::string_view s) {
    out += '"';
    if (s.size() <= longest_value && std::ranges::all_of(s, plain)) {
        out += s;
    } else {
        for (const char c : printable(s, longest_value)) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
    }
    out += '"';
}

template <class Number> void append_number(std::string& out, Number n) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
    out.append(digits, end);
}

void append_json(std::string& out, const json::value& v);

void append_members(std::string& out, const json::object& o, bool first) {
    for (const auto& member : o) {
        if (!first) out += ',';
        first = false;
        append_quoted(out, member.key());
        out += ':';
        append_json(out, member.value());
    }
}

void append_json(std::string& out, const json::value& v) {
    switch (v.kind()) {
    case json::kind::null: out += "null"; return;
    case json::kind::bool_: out += v.get_bool() ? "true" : "false"; return;
    case json::kind::int64: append_number(out, v.get_int64()); return;
    case json::kind::uint64: append_number(out, v.get_uint64()); return;
    case json::kind::double_: append_number(out, v.get_double()); return;
    case json::kind::string: append_quoted(out, v.get_string()); return;
    case json::kind::array: {
        out += '[';
        bool first = true;
        for (const json::value& item : v.get_array()) {
            if (!first) out += ',';
            first = false;
            append_json(out, item);
        }
        out += ']';
        return;
    }
    case json::kind::object:
        out += '{';
        append_members(out, v.get_object(), true);
        out += '}';
        return;
    }
}

bool bare(std::string_view s) {
    return !s.empty() && s.size() <= longest_value &&
           std::ranges::all_of(s, [](char c) { return plain(c) && c != ' ' && c != '='; });
}

// key=value, objects flattened as outer.inner=value; a text that could be misread is quoted.
void append_pairs(std::string& out, std::string_view prefix, const json::object& fields) {
    for (const auto& member : fields) {
        std::string key(prefix);
        key += std::string_view(member.key());
        if (const json::object* inner = member.value().if_object()) {
            key += '.';
            append_pairs(out, key, *inner);
            continue;
        }
        out += ' ';
        out += key;
        out += '=';
        const json::string* text = member.value().if_string();
        if (text != nullptr && bare(*text)) {
            out += std::string_view(*text);
        } else {
            append_json(out, member.value());
        }
    }
}

} // namespace

std::string_view word(Level v) {
    switch (v) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
    }
    return "";
}

void append_line(std::string& out, Format format, Time now, Level level, std::string_view name,
                 const json::object& fields) {
    if (format == Format::json) {
        out += R"({"ts":")";
        out += rfc3339(now);
        out += R"(","level":")";
        out += word(level);
        out += R"(","event":")";
        out += name;
        out += '"';
        append_members(out, fields, false);
        out += "}\n";
        return;
    }
    out += rfc3339(now);
    out += ' ';
    out += word(level);
    out += ' ';
    out += name;
    append_pairs(out, "", fields);
    out += '\n';
}

} // namespace danelaw::log
