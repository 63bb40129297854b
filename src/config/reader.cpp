// YAML to typed values. See reader.hpp.
#include "reader.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace danelaw::config {

void Report::add(Severity severity, const YAML::Mark& at, const std::string& message) {
    // yaml-cpp counts from 0, editors from 1; a null mark (line -1) is the start of the file. A key or value quoted
    // from the file may hold anything; a problem stays on one line.
    problems_.push_back({severity, std::max(at.line, 0) + 1, std::max(at.column, 0) + 1, printable(message)});
}

YAML::Mark Report::place(std::string path) const {
    while (!path.empty()) {
        if (const auto found = marks_.find(path); found != marks_.end()) return found->second;
        const std::size_t cut = path.find_last_of(".[");
        path.erase(cut == std::string::npos ? 0 : cut);
    }
    return YAML::Mark::null_mark();
}

std::vector<Problem> Report::sorted() const {
    std::vector<Problem> all = problems_;
    std::ranges::sort(all, {}, [](const Problem& p) { return std::tuple(p.line, p.column, p.message); });
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

Section::Section(const YAML::Node& node, std::string path, Report& report)
    : node_(node), path_(std::move(path)), report_(report) {
    if (!path_.empty() && node_.IsDefined()) report_.remember(path_, node_.Mark());
    if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
        report_.error(node_.Mark(), (path_.empty() ? "the file" : path_) + " must be a mapping of keys to values");
        node_ = YAML::Node();
    }
}

YAML::Node Section::find(const std::string& key) {
    known_.push_back(key);
    if (!node_.IsDefined() || !node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    for (const auto& member : node_) {
        if (!member.first.IsScalar() || member.first.Scalar() != key) continue;
        report_.remember(path(key), member.second.IsNull() ? member.first.Mark() : member.second.Mark());
        return member.second;
    }
    return YAML::Node(YAML::NodeType::Undefined);
}

std::optional<std::string> Section::scalar(const std::string& key, YAML::Mark& at) {
    const YAML::Node node = find(key);
    if (!node.IsDefined()) return std::nullopt;
    at = node.Mark();
    if (node.IsNull()) {
        report_.error(path(key), path(key) + " needs a value");
        return std::nullopt;
    }
    if (!node.IsScalar()) {
        report_.error(at, path(key) + " must be a single value");
        return std::nullopt;
    }
    return node.Scalar();
}

bool Section::text(const std::string& key, std::string& out) {
    YAML::Mark at;
    auto s = scalar(key, at);
    if (s) out = std::move(*s);
    return s.has_value();
}

bool Section::boolean(const std::string& key, bool& out) {
    YAML::Mark at;
    const auto s = scalar(key, at);
    if (!s) return false;
    const std::string w = lower(*s);
    const bool yes = w == "on" || w == "true" || w == "yes";
    if (!yes && w != "off" && w != "false" && w != "no") {
        report_.error(at, path(key) + " must be on or off, not '" + printable(*s, 64) + "'");
        return false;
    }
    out = yes;
    return true;
}

void Section::duration(const std::string& key, Millis& out, Millis least) {
    YAML::Mark at;
    const auto s = scalar(key, at);
    if (!s) return;
    const auto d = parse_duration(*s);
    if (!d) {
        report_.error(at, path(key) + " must be a duration such as 500ms, 30s, 5m, 4h or 5d, not '" +
                              printable(*s, 64) + "'");
    } else if (*d < least) {
        report_.error(at, path(key) + " must be at least " + duration_text(least));
    } else {
        out = *d;
    }
}

void Section::size(const std::string& key, Bytes& out, Bytes least) {
    YAML::Mark at;
    const auto s = scalar(key, at);
    if (!s) return;
    const auto n = parse_size(*s);
    if (!n) {
        report_.error(at, path(key) + " must be a size such as 64KiB or 50MiB, not '" + printable(*s, 64) + "'");
    } else if (*n < least) {
        report_.error(at, path(key) + " must be at least " + size_text(least));
    } else {
        out = *n;
    }
}

void Section::integer(const std::string& key, std::uint64_t& out, std::uint64_t least, std::uint64_t most) {
    YAML::Mark at;
    const auto s = scalar(key, at);
    if (!s) return;
    const auto n = parse_number(*s);
    if (!n || *n < least || *n > most) {
        report_.error(at, path(key) + " must be a number from " + std::to_string(least) + " to " +
                              std::to_string(most) + ", not '" + printable(*s, 64) + "'");
        return;
    }
    out = *n;
}

std::optional<std::size_t> Section::one_of(const std::string& key, const std::vector<std::string>& words) {
    YAML::Mark at;
    const auto s = scalar(key, at);
    if (!s) return std::nullopt;
    std::string w = *s;
    // YAML 1.1 habits: where off is a word, false and no mean it too.
    if ((w == "false" || w == "no" || w == "False" || w == "No" || w == "OFF" || w == "Off")) w = "off";
    const auto found = std::ranges::find(words, w);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    const std::string near = suggestion(*s, words);
    report_.error(at, path(key) + " must be one of " + join(words, ", ") + "; not '" + printable(*s, 64) + "'" +
                          (near.empty() ? "" : " (did you mean " + near + "?)"));
    return std::nullopt;
}

void Section::value(const std::string& key, const std::function<std::string(const std::string&)>& item) {
    YAML::Mark at;
    const auto s = scalar(key, at);
    if (!s) return;
    if (const std::string wrong = item(*s); !wrong.empty()) report_.error(at, path(key) + ": " + wrong);
}

void Section::list(const std::string& key, const std::function<std::string(const std::string&)>& item) {
    const YAML::Node node = find(key);
    if (!node.IsDefined() || node.IsNull()) return;
    const auto one = [&](const YAML::Node& n, const std::string& name) {
        report_.remember(name, n.Mark());
        if (!n.IsScalar()) {
            report_.error(n.Mark(), name + " must be a single value");
        } else if (const std::string wrong = item(n.Scalar()); !wrong.empty()) {
            report_.error(n.Mark(), name + ": " + wrong);
        }
    };
    if (node.IsScalar()) return one(node, path(key));
    if (!node.IsSequence()) return report_.error(node.Mark(), path(key) + " must be a list");
    std::size_t i = 0;
    for (const auto& n : node) one(n, path(key) + "[" + std::to_string(i++) + "]");
}

void Section::sections(const std::string& key, const std::function<void(Section&)>& item) {
    const YAML::Node node = find(key);
    if (!node.IsDefined() || node.IsNull()) return;
    if (!node.IsSequence()) return report_.error(node.Mark(), path(key) + " must be a list of mappings");
    std::size_t i = 0;
    for (const auto& n : node) {
        Section inner(n, path(key) + "[" + std::to_string(i++) + "]", report_);
        item(inner);
        inner.finish();
    }
}

void Section::section(const std::string& key, const std::function<void(Section&)>& body) {
    Section inner(find(key), path(key), report_);
    body(inner);
    inner.finish();
}

void Section::finish() {
    if (!node_.IsDefined() || !node_.IsMap()) return;
    std::set<std::string> seen;
    for (const auto& member : node_) {
        if (!member.first.IsScalar()) {
            report_.error(member.first.Mark(), "a key must be a single word");
            continue;
        }
        const std::string& key = member.first.Scalar();
        if (!seen.insert(key).second) {
            report_.error(member.first.Mark(), "the key " + path(printable(key, 64)) + " stands twice");
        } else if (std::ranges::find(known_, key) == known_.end()) {
            const std::string near = suggestion(key, known_);
            report_.error(member.first.Mark(), "unknown key " + path(printable(key, 64)) +
                                                   (near.empty() ? "" : "; did you mean " + near + "?"));
        }
    }
}

} // namespace danelaw::config
