// Walks a message and writes what was met as one line an event.
#pragma once

#include "danelaw/message/mime.hpp"

#include <string>

namespace danelaw::message::testing {

class Recorder final : public MimeEvents {
  public:
    std::string log; // "F0 name|" "B|" "C text|" …
    std::string all; // every octet, in order

    void field(const Entity& e, std::string_view raw) override {
        end_run();
        all += raw;
        log += "F" + std::to_string(e.depth) + " " + std::string(field_name(raw)) + "|";
    }
    void header_octets(const Entity&, std::string_view piece) override { add('H', piece); }
    void header_end(const Entity& e, std::string_view blank) override {
        end_run();
        all += blank;
        log += std::string(blank.empty() ? "e" : "E") + " " + e.content_type.type + "/" + e.content_type.subtype +
               (e.broken ? " broken" : "") + "|";
    }
    void content(std::string_view piece) override { add('C', piece); }
    void content_end() override {
        end_run();
        log += ".|";
    }
    void between(std::string_view piece) override { add('-', piece); }
    void end_run() {
        if (kind_ != 0) log += std::string(1, kind_) + " " + run_ + "|";
        kind_ = 0;
        run_.clear();
    }

  private:
    void add(char kind, std::string_view piece) {
        if (piece.empty()) return;
        if (kind != kind_) end_run();
        kind_ = kind;
        all += piece;
        for (const char c : piece) run_ += c == '\r' ? '^' : c == '\n' ? '$' : c;
    }
    char kind_ = 0;
    std::string run_;
};

inline Recorder walk(std::string_view text, std::size_t step) {
    Recorder r;
    MimeWalker w(r);
    for (std::size_t i = 0; i < text.size(); i += step) w.feed(text.substr(i, step));
    w.finish();
    r.end_run();
    return r;
}

} // namespace danelaw::message::testing
