// YAML to typed values: every value is read by a function that knows its kind and says where it is wrong. A section
// knows the keys that were asked for, so an unknown one is found, with the nearest known key.
#pragma once

#include "danelaw/config/load.hpp"

#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace danelaw::config {

// Problems, and where each value stood: `listeners[0].tls` → its mark, for checks that come after reading.
class Report {
  public:
    void error(const YAML::Mark& at, const std::string& message) { add(Severity::error, at, message); }
    void warning(const YAML::Mark& at, const std::string& message) { add(Severity::warning, at, message); }
    // At the value's place, else at its section's.
    void error(const std::string& path, const std::string& message) { error(place(path), message); }
    void warning(const std::string& path, const std::string& message) { warning(place(path), message); }
    void remember(const std::string& path, const YAML::Mark& at) { marks_[path] = at; }
    bool given(const std::string& path) const { return marks_.contains(path); }
    std::vector<Problem> sorted() const;

  private:
    void add(Severity severity, const YAML::Mark& at, const std::string& message);
    YAML::Mark place(std::string path) const;
    std::vector<Problem> problems_;
    std::map<std::string, YAML::Mark> marks_;
};

template <class Enum> using Words = std::vector<std::pair<std::string_view, Enum>>;

class Section {
  public:
    // `path` is "" for the whole file. A null node is an empty section.
    Section(const YAML::Node& node, std::string path, Report& report);

    // Each leaves `out` as it was, and answers false, when the key is absent or its value wrong.
    bool text(const std::string& key, std::string& out);
    bool boolean(const std::string& key, bool& out);
    void duration(const std::string& key, Millis& out, Millis least);
    void size(const std::string& key, Bytes& out, Bytes least);
    template <class Number> void number(const std::string& key, Number& out, Number least, Number most) {
        std::uint64_t n = out;
        integer(key, n, least, most);
        out = static_cast<Number>(n);
    }
    template <class Enum> bool word(const std::string& key, Enum& out, const Words<Enum>& words) {
        std::vector<std::string> names;
        for (const auto& w : words) names.emplace_back(w.first);
        const auto at = one_of(key, names);
        if (at) out = words[*at].second;
        return at.has_value();
    }
    // Calls `item` for each scalar of a list (a single scalar counts as a list of one); "" means right, else what is
    // wrong.
    void list(const std::string& key, const std::function<std::string(const std::string&)>& item);
    // Calls `item` for each mapping of a list.
    void sections(const std::string& key, const std::function<void(Section&)>& item);
    void section(const std::string& key, const std::function<void(Section&)>& body);
    // A scalar judged by `item`, which answers what is wrong with it.
    void value(const std::string& key, const std::function<std::string(const std::string&)>& item);

    const std::string& path() const { return path_; }
    std::string path(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
    Report& report() { return report_; }
    // Says which keys nobody asked for, and which stand twice. Once, after all reads.
    void finish();

  private:
    YAML::Node find(const std::string& key);
    std::optional<std::string> scalar(const std::string& key, YAML::Mark& at);
    std::optional<std::size_t> one_of(const std::string& key, const std::vector<std::string>& words);
    void integer(const std::string& key, std::uint64_t& out, std::uint64_t least, std::uint64_t most);

    YAML::Node node_;
    std::string path_;
    Report& report_;
    std::vector<std::string> known_;
};

// Checks that need several values at once, or the files that they name. Fills in what depends on others.
void check(Settings& settings, Report& report, Time now);

// What is wrong with a trust anchor in DS or DNSKEY form; "" when nothing is.
std::string anchor_problem(std::string_view anchor);
// What is wrong with a file of trust anchors; "" when it can be read and holds at least one.
std::string anchor_file_problem(const std::string& file);
// What is wrong with a PEM chain and its key, with a CA file, with a private key, with a users file; "" when nothing
// is.
std::string key_pair_problem(const std::string& certificate, const std::string& private_key);
std::string ca_file_problem(const std::string& file);
std::string private_key_problem(const std::string& file);
std::string dkim_key_problem(const std::string& file);
std::string users_file_problem(const std::string& file);

// "127.0.0.1:25", "[::1]:25", "unix:/path": what is wrong, "" when nothing is; `loopback` tells whether only this
// machine can reach it.
struct ListenAddress {
    std::string problem;
    bool loopback = false;
    bool unix_socket = false;
};
ListenAddress listen_address(const std::string& text);

} // namespace danelaw::config
