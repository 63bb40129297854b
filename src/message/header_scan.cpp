// The scan at acceptance: see the header.

#include "danelaw/message/header_scan.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::message {

void HeaderScan::feed(std::string_view octets) {
    facts_.size += octets.size();
    walker_.feed(octets);
}

void HeaderScan::finish() {
    walker_.finish();
}

ContentFacts HeaderScan::facts() const {
    ContentFacts out = facts_;
    // RFC 8689 3: one field, value No. Twice, or another value: as if it were not there (H152).
    out.tls_required_no = tls_required_fields_ == 1 && tls_required_no_;
    return out;
}

void HeaderScan::top_field(std::string_view raw) {
    const auto name = field_name(raw);
    if (iequals(name, "received")) {
        ++facts_.received_count;
    } else if (iequals(name, "date")) {
        date_ = true;
    } else if (iequals(name, "message-id")) {
        message_id_ = true;
    } else if (iequals(name, "dkim-signature")) {
        facts_.signed_content = true;
    } else if (iequals(name, "tls-required")) {
        ++tls_required_fields_;
        tls_required_no_ = iequals(field_value(raw), "no");
    }
}

void HeaderScan::note_header_octets(const Entity& entity, std::string_view piece) {
    if (entity.depth == 0) facts_.header_size += piece.size();
    if (is_ascii(piece)) return;
    // A message inside message/rfc822 is content: old mail has raw 8-bit fields there. message/global and the headers
    // of our own parts are UTF-8 header text (SC-077).
    if (entity.in_message && !global_)
        facts_.eight_bit_body = true;
    else
        facts_.eight_bit_header = true;
}

void HeaderScan::field(const Entity& entity, std::string_view raw) {
    note_header_octets(entity, raw);
    if (entity.depth == 0) top_field(raw);
}

void HeaderScan::header_octets(const Entity& entity, std::string_view piece) {
    note_header_octets(entity, piece);
}

void HeaderScan::header_end(const Entity& entity, std::string_view blank) {
    if (entity.depth == 0) {
        starts_with_body_ = facts_.header_size == 0 && blank.empty();
        facts_.header_size += blank.size();
        top_ended_ = true;
    }
    if (entity.content_type.is("multipart", "signed")) facts_.signed_content = true;
    global_ = entity.content_type.is("message", "global");
}

void HeaderScan::content(std::string_view piece) {
    if (!facts_.eight_bit_body && !is_ascii(piece)) facts_.eight_bit_body = true;
}

void add_prefix(ContentFacts& facts, std::string_view prefix) {
    HeaderScan scan;
    scan.feed(prefix);
    scan.finish();
    const ContentFacts added = scan.facts();
    facts.size += added.size;
    facts.header_size += added.size;
    facts.received_count += added.received_count;
    facts.eight_bit_header = facts.eight_bit_header || added.eight_bit_header;
    facts.signed_content = facts.signed_content || added.signed_content;
}

} // namespace danelaw::message
