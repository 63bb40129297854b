// First pass: which entities must change, or why the message can't be sent as 7-bit.

#include "danelaw/message/to_seven_bit.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::message {

namespace {

constexpr std::size_t most_entities = 10000; // memory of the plan; real mail has tens

bool identity(const std::string& encoding) {
    return encoding.empty() || encoding == "7bit" || encoding == "8bit" || encoding == "binary";
}

} // namespace

SevenBitScan::SevenBitScan(Attached attached)
    : attached_(attached),
      walker_(*this, attached != Attached::converted ? MimeWalker::Messages::leaves : MimeWalker::Messages::walked) {}

void SevenBitScan::refuse(std::string why) {
    if (refused_.empty()) refused_ = std::move(why);
}

void SevenBitScan::field(const Entity& entity, std::string_view raw) {
    if (entity.depth == 0 && iequals(field_name(raw), "dkim-signature")) dkim_ = true;
    header_octets(entity, raw);
}

void SevenBitScan::header_octets(const Entity&, std::string_view piece) {
    // No encoding of whole header fields exists: RFC 2047 words would change what was written.
    if (!is_ascii(piece)) refuse("a header field holds 8-bit octets");
}

void SevenBitScan::header_end(const Entity& entity, std::string_view) {
    if (nodes_.size() >= most_entities) return refuse("too many parts");
    Node node;
    node.entity = entity;
    path_.resize(std::min<std::size_t>(path_.size(), entity.depth));
    node.in_signed =
        entity.content_type.is("multipart", "signed") || (!path_.empty() && nodes_[path_.back()].in_signed);
    path_.push_back(nodes_.size());
    nodes_.push_back(std::move(node));
    last_cr_ = false;
}

void SevenBitScan::content(std::string_view piece) {
    if (nodes_.empty() || path_.empty()) return;
    Node& node = nodes_[path_.back()];
    for (const char c : piece) {
        if (last_cr_ != (c == '\n') || c == '\0') node.binary = true;
        last_cr_ = c == '\r';
    }
    if (node.eight_bit || is_ascii(piece)) return;
    for (const std::size_t i : path_) nodes_[i].eight_bit = true;
}

void SevenBitScan::content_end() {
    if (last_cr_ && !path_.empty()) nodes_[path_.back()].binary = true;
    last_cr_ = false;
}

void SevenBitScan::between(std::string_view piece) {
    if (!is_ascii(piece)) refuse("there are 8-bit octets outside of the parts");
}

SevenBitPlan::Do SevenBitScan::decide(const Node& node) {
    using Do = SevenBitPlan::Do;
    const auto& type = node.entity.content_type;
    const bool container =
        !node.entity.broken &&
        (type.type == "multipart" || (attached_ == Attached::converted && identity(node.entity.encoding) &&
                                      (type.is("message", "rfc822") || type.is("message", "global"))));
    if (attached_ == Attached::header && type.is("message", "rfc822") && !node.in_signed) return Do::header_only;
    if (attached_ == Attached::header && type.is("message", "global") && !node.in_signed) return Do::left_out;
    const bool must = node.eight_bit || (node.binary && node.entity.encoding == "binary" && !container);
    if (must && node.in_signed) refuse("an 8-bit part is signed");
    if (!must) {
        const bool wrong_label = node.entity.encoding == "8bit" || node.entity.encoding == "binary";
        return wrong_label && !node.in_signed && !node.binary ? Do::label_seven_bit : Do::keep;
    }
    if (!identity(node.entity.encoding)) refuse("a part has 8-bit octets although it says to be encoded");
    if (container) return Do::label_seven_bit;
    if (node.entity.broken) refuse("the structure of its parts is broken");
    if (type.type == "message") {
        if (attached_ != Attached::converted && type.subtype == "rfc822") return Do::header_only;
        if (!type.subtype.starts_with("global"))
            refuse("a part of type message/" + printable(type.subtype, 40) + " is 8-bit");
    }
    return type.type == "text" && !node.binary ? Do::quoted_printable : Do::base64;
}

Result<SevenBitPlan> SevenBitScan::finish() {
    walker_.finish();
    SevenBitPlan plan;
    plan.attached = attached_;
    for (const Node& node : nodes_) {
        plan.changes = plan.changes || node.eight_bit || (node.binary && node.entity.encoding == "binary");
        plan.entities.push_back(decide(node));
        const auto what = plan.entities.back();
        plan.changes = plan.changes || what == SevenBitPlan::Do::header_only || what == SevenBitPlan::Do::left_out;
    }
    if (!refused_.empty()) return fail(Errc::parse, refused_);
    // RFC 6376 5.3: re-encoding breaks the signature (SC-073).
    if (plan.changes && dkim_ && attached_ == Attached::converted) return fail(Errc::parse, "it is DKIM-signed");
    if (!plan.changes) std::fill(plan.entities.begin(), plan.entities.end(), SevenBitPlan::Do::keep);
    return plan;
}

} // namespace danelaw::message
