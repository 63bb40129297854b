#include "danelaw/smtp/data_out.hpp"

#include <cstring>

namespace danelaw::smtp {

// `text` holds no LF; every CR in it is stray but one at its very end, whose fate the next octet decides.
void ContentEncoder::line_piece(std::string_view text, std::string& out) {
    if (text.empty()) return;
    if (at_ == At::cr)
        out += ' '; // the CR before was followed by something else than LF
    else if (at_ == At::line_start && text.front() == '.' && dots_ == Dots::doubled)
        out += '.';
    at_ = At::text;
    while (const void* found = std::memchr(text.data(), '\r', text.size())) {
        auto before = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
        out.append(text.data(), before);
        text.remove_prefix(before + 1);
        if (text.empty()) {
            at_ = At::cr;
            return;
        }
        out += ' ';
    }
    out.append(text);
}

void ContentEncoder::feed(std::string_view piece, std::string& out) {
    while (!piece.empty()) {
        const void* found = std::memchr(piece.data(), '\n', piece.size());
        if (found == nullptr) return line_piece(piece, out);
        auto length = static_cast<std::size_t>(static_cast<const char*>(found) - piece.data());
        line_piece(piece.substr(0, length), out);
        out += "\r\n"; // whether a CR stood before the LF or not
        at_ = At::line_start;
        piece.remove_prefix(length + 1);
    }
}

void ContentEncoder::finish(std::string& out) {
    if (at_ == At::cr) out += ' ';
    if (at_ != At::line_start) out += "\r\n";
    at_ = At::line_start;
}

std::string BdatChunks::feed(std::string_view piece) {
    std::string out;
    if (!held_.empty() && held_.size() >= least_) {
        (out = "BDAT " + std::to_string(held_.size()) + "\r\n") += held_;
        held_.clear();
    }
    if (form_ == Form::binary)
        held_ += piece;
    else
        encoder_.feed(piece, held_);
    return out;
}

std::string BdatChunks::finish() {
    if (form_ == Form::text) encoder_.finish(held_);
    auto out = "BDAT " + std::to_string(held_.size()) + " LAST\r\n";
    out += held_;
    held_.clear();
    return out;
}

} // namespace danelaw::smtp
