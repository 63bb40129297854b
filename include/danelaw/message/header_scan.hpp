// What must be known about a message before it can be relayed: size, 8-bit content, Received lines, TLS-Required,
// signatures. Pure, streaming; fed by relay with the content as it will be stored (after dot removal and line-end
// repair). SC-073, SC-077, SC-094, SC-123; cases H117, H152.
#pragma once

#include "danelaw/message/envelope.hpp"
#include "danelaw/message/mime.hpp"

#include <string_view>

namespace danelaw::message {

class HeaderScan final : private MimeEvents {
  public:
    HeaderScan() : walker_(*this) {}
    HeaderScan(const HeaderScan&) = delete;
    HeaderScan& operator=(const HeaderScan&) = delete;

    void feed(std::string_view octets); // any split
    void finish();                      // after the last octet, before facts() is read

    // `binary` and `bare_line_ends` are the caller's to set.
    ContentFacts facts() const;
    bool has_date() const { return date_; }
    bool has_message_id() const { return message_id_; }
    bool header_ended() const { return top_ended_; } // the answers about the header are final
    // The first line is neither a field nor blank: fields put on top need an empty line after them.
    bool starts_with_body() const { return starts_with_body_; }

  private:
    void field(const Entity& entity, std::string_view raw) override;
    void header_octets(const Entity& entity, std::string_view piece) override;
    void header_end(const Entity& entity, std::string_view blank) override;
    void content(std::string_view piece) override;
    void content_end() override {}
    void between(std::string_view piece) override { content(piece); }
    void top_field(std::string_view raw);
    void note_header_octets(const Entity& entity, std::string_view piece);

    MimeWalker walker_;
    ContentFacts facts_;
    bool date_ = false, message_id_ = false, top_ended_ = false, starts_with_body_ = false;
    bool global_ = false; // inside a message/global part: its headers are UTF-8
    int tls_required_fields_ = 0;
    bool tls_required_no_ = false;
};

// The facts of `prefix` + content, where prefix is whole header fields (Received, Date …) put on top.
void add_prefix(ContentFacts& facts, std::string_view prefix);

} // namespace danelaw::message
