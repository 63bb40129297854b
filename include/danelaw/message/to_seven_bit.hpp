// How an 8-bit message goes to a server without 8BITMIME: its 8-bit parts become quoted-printable or base64, the MIME
// structure stays true (SC-073, SC-076, H118). Pure, two streaming passes; memory is bounded by the number of parts.
// Signed content is never rewritten: the caller bounces 5.6.3 instead. RFC 6152 3, RFC 2045 6, RFC 1428.
#pragma once

#include "danelaw/base/result.hpp"
#include "danelaw/message/mime.hpp"
#include "danelaw/message/transfer_encoding.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::message {

// The message that a notice returns is not re-encoded: only its header stays, if it is 8-bit (DQ-053), or in any case,
// where the way back does not take as much (DQ-024, DQ-052). Of a message/global, which is encoded whole, not even
// that.
enum class Attached { converted, header_if_eight_bit, header };

// What the first pass found; the second follows it, one entry an entity in order of appearance.
struct SevenBitPlan {
    enum class Do : std::uint8_t { keep, quoted_printable, base64, label_seven_bit, header_only, left_out };
    std::vector<Do> entities;
    Attached attached = Attached::converted;
    bool changes = false; // false: the content is 7-bit already
};

// First pass. finish() gives errc::parse with the reason when the message can't be converted: signed, 8-bit header,
// broken structure.
class SevenBitScan final : private MimeEvents {
  public:
    explicit SevenBitScan(Attached attached = Attached::converted);
    SevenBitScan(const SevenBitScan&) = delete;
    SevenBitScan& operator=(const SevenBitScan&) = delete;
    void feed(std::string_view octets) { walker_.feed(octets); }
    Result<SevenBitPlan> finish();

  private:
    struct Node {
        Entity entity;
        bool eight_bit = false; // here or inside
        bool binary = false;    // NUL, or a CR or LF that ends no line
        bool in_signed = false; // multipart/signed, or inside one
    };
    void field(const Entity& entity, std::string_view raw) override;
    void header_octets(const Entity& entity, std::string_view piece) override;
    void header_end(const Entity& entity, std::string_view blank) override;
    void content(std::string_view piece) override;
    void content_end() override;
    void between(std::string_view piece) override;
    void refuse(std::string why);
    SevenBitPlan::Do decide(const Node& node);

    Attached attached_;
    MimeWalker walker_;
    std::vector<Node> nodes_;
    std::vector<std::size_t> path_; // the entity being read and those around it, by depth
    bool dkim_ = false;
    bool last_cr_ = false;
    std::string refused_;
};

// Second pass, over the same octets.
class SevenBitConverter final : private MimeEvents {
  public:
    explicit SevenBitConverter(SevenBitPlan plan);
    SevenBitConverter(const SevenBitConverter&) = delete;
    SevenBitConverter& operator=(const SevenBitConverter&) = delete;
    std::string feed(std::string_view octets); // the converted octets that are ready
    std::string finish();                      // the rest; ends with CRLF

  private:
    void field(const Entity& entity, std::string_view raw) override;
    void header_octets(const Entity& entity, std::string_view piece) override;
    void header_end(const Entity& entity, std::string_view blank) override;
    void content(std::string_view piece) override;
    void content_end() override;
    void between(std::string_view piece) override;
    SevenBitPlan::Do what() const;
    void emit(std::string_view piece);
    void base64_octets(std::string_view piece);
    void base64_line(std::string_view octets);
    void attached_header(std::string_view piece);
    void end_attached_field();

    SevenBitPlan plan_;
    MimeWalker walker_;
    std::size_t entity_ = 0; // the one whose header or content is being read
    std::string out_;
    std::string carry_; // octets that wait for what follows
    std::string field_; // of an attached message's header
    bool attached_ended_ = false;
    bool first_line_ = true;
    QuotedPrintable qp_;
    char last_ = '\n';
};

} // namespace danelaw::message
