#include "danelaw/smtp/data_in.hpp"

#include <cstring>

namespace danelaw::smtp {
namespace {

const char* find(char c, std::string_view in) {
    return in.empty() ? nullptr : static_cast<const char*>(std::memchr(in.data(), c, in.size()));
}

// Copies `text`, which holds no LF, with every CR but a last one as a blank. True: it ended with CR, held back.
bool copy_without_stray_cr(std::string_view text, std::string& out, bool& bare) {
    while (const char* cr = find('\r', text)) {
        auto before = static_cast<std::size_t>(cr - text.data());
        out.append(text.data(), before);
        text.remove_prefix(before + 1);
        if (text.empty()) return true;
        out += ' ';
        bare = true;
    }
    out.append(text);
    return false;
}

} // namespace

void DataDecoder::segment(std::string_view text, std::string& out) {
    if (text.empty()) return;
    if (at_ == At::line_start && text.front() == '.') {
        at_ = At::dot; // dropped: stuffing, or the first half of the end (SS-043)
        text.remove_prefix(1);
        if (text.empty()) return;
    }
    if (at_ == At::dot && text.front() == '\r') {
        at_ = At::dot_cr;
        text.remove_prefix(1);
        if (text.empty()) return;
    }
    if (at_ == At::cr || at_ == At::dot_cr) { // that CR was followed by something else than LF
        out += ' ';
        bare_ = true;
    }
    at_ = copy_without_stray_cr(text, out, bare_) ? At::cr : At::text;
}

bool DataDecoder::line_feed(std::string& out) {
    if (at_ == At::dot_cr) return true; // the one and only end (SS-040)
    bool bare = at_ != At::cr;
    bare_ = bare_ || bare;
    out += "\r\n";
    // After a bare LF no line has begun in the sense of the protocol: a dot there is text, and never half an end.
    at_ = bare ? At::text : At::line_start;
    return false;
}

DataDecoder::Fed DataDecoder::feed(std::string_view piece, std::string& out) {
    std::size_t used = 0;
    while (used < piece.size()) {
        auto rest = piece.substr(used);
        const char* lf = find('\n', rest);
        auto length = lf == nullptr ? rest.size() : static_cast<std::size_t>(lf - rest.data());
        segment(rest.substr(0, length), out);
        used += length;
        if (lf == nullptr) break;
        ++used;
        if (line_feed(out)) return {used, true};
    }
    return {used, false};
}

void BdatDecoder::feed(std::string_view piece, std::string& out) {
    while (!piece.empty()) {
        const char* lf = find('\n', piece);
        auto length = lf == nullptr ? piece.size() : static_cast<std::size_t>(lf - piece.data());
        auto text = piece.substr(0, length);
        if (cr_ && !text.empty()) {
            out += ' ';
            bare_ = true;
            cr_ = false;
        }
        if (!text.empty()) cr_ = copy_without_stray_cr(text, out, bare_);
        piece.remove_prefix(length);
        if (lf == nullptr) return;
        bare_ = bare_ || !cr_;
        cr_ = false;
        out += "\r\n";
        piece.remove_prefix(1);
    }
}

void BdatDecoder::finish(std::string& out) {
    if (!cr_) return;
    out += ' ';
    bare_ = true;
    cr_ = false;
}

} // namespace danelaw::smtp
