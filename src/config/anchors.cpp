// Is this a DNSSEC trust anchor? Only its form is looked at; that it works is proved at start-up (DANE-010).
// RFC 4034 2.2 (DNSKEY), 5.3 (DS), RFC 4509, RFC 6605.
#include "reader.hpp"

#include "danelaw/dns/name.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace danelaw::config {
namespace {

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::string plain(text.substr(0, text.find(';')));
    std::ranges::replace_if(plain, [](char c) { return c == '(' || c == ')'; }, ' ');
    std::istringstream in{plain};
    for (std::string w; in >> w;) words.push_back(std::move(w));
    return words;
}

std::string rest(const std::vector<std::string>& words, std::size_t from) {
    std::string all;
    for (std::size_t i = from; i < words.size(); ++i) all += words[i];
    return all;
}

bool number_in(const std::string& text, std::uint64_t most) {
    const auto n = parse_number(text);
    return n && *n <= most;
}

std::string ds_problem(const std::vector<std::string>& words, std::size_t at) {
    if (words.size() < at + 4) return "a DS needs key tag, algorithm, digest type and digest";
    if (!number_in(words[at], 65535)) return "the DS key tag must be a number up to 65535";
    if (!number_in(words[at + 1], 255)) return "the DS algorithm must be a number up to 255";
    const auto type = parse_number(words[at + 2]);
    const auto digest = unhex(rest(words, at + 3));
    if (!digest) return "the DS digest must be hexadecimal";
    const std::size_t length = !type ? 0 : *type == 1 ? 20 : *type == 2 ? 32 : *type == 4 ? 48 : 0;
    if (length == 0) return "the DS digest type must be 1, 2 or 4";
    if (digest->size() != length) {
        return "a DS digest of type " + words[at + 2] + " has " + std::to_string(length) + " octets, this one " +
               std::to_string(digest->size());
    }
    return "";
}

std::string dnskey_problem(const std::vector<std::string>& words, std::size_t at) {
    if (words.size() < at + 4) return "a DNSKEY needs flags, protocol, algorithm and key";
    const auto flags = parse_number(words[at]);
    if (!flags || *flags > 65535) return "the DNSKEY flags must be a number up to 65535";
    if ((*flags & 256) == 0) return "the DNSKEY flags must have the zone key bit (256 or 257)";
    if (words[at + 1] != "3") return "the DNSKEY protocol must be 3";
    if (!number_in(words[at + 2], 255)) return "the DNSKEY algorithm must be a number up to 255";
    const auto key = unbase64(rest(words, at + 3));
    if (!key || key->size() < 32) return "the DNSKEY key must be base64 of at least 32 octets";
    return "";
}

} // namespace

std::string anchor_problem(std::string_view anchor) {
    const std::vector<std::string> words = words_of(anchor);
    if (words.size() < 2) return "must read like 'example. IN DS 12345 13 2 ABCD…', or the DNSKEY form";
    if (words[0] != "." && !dns::Name::from(words[0])) return "'" + printable(words[0], 64) + "' is not a zone name";
    std::size_t at = 1;
    if (at < words.size() && parse_number(words[at])) ++at; // TTL
    if (at < words.size() && iequals(words[at], "IN")) ++at;
    if (at < words.size() && parse_number(words[at])) ++at;
    if (at >= words.size()) return "the record type is missing (DS or DNSKEY)";
    if (iequals(words[at], "DS")) return ds_problem(words, at + 1);
    if (iequals(words[at], "DNSKEY")) return dnskey_problem(words, at + 1);
    return "the record type must be DS or DNSKEY, not '" + printable(words[at], 32) + "'";
}

std::string anchor_file_problem(const std::string& file) {
    std::ifstream in(file);
    if (!in) return "can't read " + file;
    std::string record, problem;
    int line = 0, anchors = 0, open = 0;
    for (std::string text; std::getline(in, text);) {
        ++line;
        text.resize(std::min(text.size(), text.find(';')));
        for (const char c : text) open += c == '(' ? 1 : c == ')' ? -1 : 0;
        record += text + " ";
        if (open > 0) continue;
        if (!words_of(record).empty()) {
            const std::string wrong = anchor_problem(record);
            if (!wrong.empty() && problem.empty()) problem = file + ":" + std::to_string(line) + ": " + wrong;
            anchors += wrong.empty() ? 1 : 0;
        }
        record.clear();
    }
    if (!problem.empty()) return problem;
    if (anchors == 0) return file + " holds no trust anchor";
    return "";
}

} // namespace danelaw::config
