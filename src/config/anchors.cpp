// Is this a DNSSEC trust anchor that can be used? That it works is proved at start-up (DANE-010, H36).
#include "reader.hpp"

#include "danelaw/dns/anchor.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace danelaw::config {

std::string anchor_problem(std::string_view text) {
    const auto anchor = dns::parse_trust_anchor(text);
    if (!anchor) return anchor.error().detail;
    return anchor->unusable.empty() ? "" : "can't be used: " + anchor->unusable;
}

std::string anchor_file_problem(const std::string& file) {
    std::ifstream in(file);
    std::stringstream all;
    all << in.rdbuf();
    if (!in) return "can't read " + file;
    const auto anchors = dns::parse_trust_anchor_file(all.str());
    if (!anchors) return file + ": " + anchors.error().detail;
    if (anchors->empty()) return file + " holds no trust anchor";
    const bool any = std::ranges::any_of(*anchors, [](const dns::TrustAnchor& a) { return a.unusable.empty(); });
    return any ? "" : file + " holds no anchor that can be used: " + anchors->front().unusable;
}

} // namespace danelaw::config
