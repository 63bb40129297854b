// Where am I in this message: a header field, a leaf part's content, or the delimiters between? A streaming walk over a
// MIME structure, shared by the scan at acceptance and the 8-bit down-conversion. Pure; memory is bounded whatever
// comes. RFC 5322 2.2, RFC 2045 5, RFC 2046 5.1. Every octet fed comes out in exactly one event, in order, unchanged.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace danelaw::message {

// -- single fields; `raw` is a field as it stands, folded, with or without its final CRLF ------------
std::string_view field_name(std::string_view raw); // "" when it is no field
std::string field_value(std::string_view raw);     // unfolded and trimmed

struct ContentType {
    std::string type = "text", subtype = "plain";                // lower case
    std::vector<std::pair<std::string, std::string>> parameters; // names lower case, values unquoted
    bool is(std::string_view t, std::string_view s) const { return type == t && subtype == s; }
    std::string parameter(std::string_view name) const; // "" when absent
};
// RFC 2045 5.1; comments skipped. Anything malformed is text/plain, as RFC 2045 5.2 has it.
ContentType parse_content_type(std::string_view value);

// What the header of an entity (the message, a part, a message in a part) said.
struct Entity {
    unsigned depth = 0;          // 0: the message itself
    bool nested_message = false; // the header of a message/rfc822 (or global) part's own message
    bool in_message = false;     // that, or a part inside such a message
    ContentType content_type;
    bool has_content_type = false;
    std::string encoding; // Content-Transfer-Encoding, lower case; "" when absent
    bool has_mime_version = false;
    bool broken = false; // a multipart that can't be walked: no boundary, or nested beyond reason
};

class MimeEvents {
  public:
    virtual ~MimeEvents() = default;
    virtual void field(const Entity& entity, std::string_view raw) = 0;           // whole, with its line ends
    virtual void header_octets(const Entity& entity, std::string_view piece) = 0; // of a field too long to be looked at
    // `blank` is the empty line that ended the header; "" when the header ended without one.
    virtual void header_end(const Entity& entity, std::string_view blank) = 0;
    virtual void
    content(std::string_view piece) = 0; // of a leaf part; the line end before a delimiter isn't part of it
    virtual void content_end() = 0;      // of the leaf part begun by the last header_end
    virtual void between(std::string_view piece) = 0; // delimiters with their line ends, preambles, epilogues
};

class MimeWalker {
  public:
    enum class Messages { walked, leaves }; // is a message/rfc822 part's message walked, or a leaf?
    explicit MimeWalker(MimeEvents& events, Messages messages = Messages::walked) : events_(events), treat_(messages) {}
    void feed(std::string_view octets);
    void finish(); // once, after the last octet

  private:
    enum class Region { header, leaf, between };
    struct Level {
        std::string boundary;
        unsigned messages = 0; // nested messages around it
        bool digest = false;
        bool closed = false;
    };

    void look(bool complete);
    void rest_of_line(std::string_view piece, bool complete);
    void header_line(std::string_view line);
    void body_line(std::string_view line, bool complete);
    void pass(std::string_view piece);
    bool boundary_line(std::string_view line);
    void end_field();
    void end_header(std::string_view blank);
    void begin_entity(unsigned depth, bool nested_message, bool digest);
    void end_leaf();

    MimeEvents& events_;
    Messages treat_;
    Region region_ = Region::header;
    Entity entity_;
    std::vector<Level> levels_;
    unsigned depth_ = 0;
    unsigned messages_ = 0;  // nested messages we are inside of
    std::string line_;       // the line being read, as long as we need to look at it
    bool long_line_ = false; // the rest of this line passes through
    bool first_line_ = true;
    std::string field_;       // the field being collected
    bool long_field_ = false; // … too long: its octets passed through
    std::string pending_eol_; // a line end that may belong to a delimiter
    bool leaf_open_ = false;
};

} // namespace danelaw::message
