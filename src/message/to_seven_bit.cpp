// Second pass: the same message with its 8-bit parts encoded.

#include "danelaw/message/to_seven_bit.hpp"

#include "danelaw/base/text.hpp"

namespace danelaw::message {

using Do = SevenBitPlan::Do;

namespace {

constexpr std::size_t base64_input = 57; // 76 characters of output

std::string_view encoding_name(Do what) {
    switch (what) {
    case Do::quoted_printable: return "quoted-printable";
    case Do::base64: return "base64";
    case Do::label_seven_bit: return "7bit";
    case Do::keep:
    case Do::left_out:
    case Do::header_only: return "";
    }
    return "";
}

} // namespace

SevenBitConverter::SevenBitConverter(SevenBitPlan plan)
    : plan_(std::move(plan)), walker_(*this, plan_.attached != Attached::converted ? MimeWalker::Messages::leaves
                                                                                   : MimeWalker::Messages::walked) {}

Do SevenBitConverter::what() const {
    return entity_ < plan_.entities.size() ? plan_.entities[entity_] : Do::keep;
}

void SevenBitConverter::emit(std::string_view piece) {
    if (piece.empty()) return;
    out_ += piece;
    last_ = piece.back();
}

std::string SevenBitConverter::feed(std::string_view octets) {
    walker_.feed(octets);
    return std::exchange(out_, {});
}

std::string SevenBitConverter::finish() {
    walker_.finish();
    if (last_ != '\n') emit("\r\n");
    return std::exchange(out_, {});
}

void SevenBitConverter::field(const Entity& entity, std::string_view raw) {
    const auto name = field_name(raw);
    // Our own signature of a notice, which no longer fits.
    const bool void_now = plan_.attached != Attached::converted && plan_.changes && entity.depth == 0;
    if (void_now && iequals(name, "dkim-signature")) return;
    if (what() != Do::keep && iequals(name, "content-transfer-encoding")) return;
    if (what() == Do::header_only && iequals(name, "content-type"))
        return emit("Content-Type: text/rfc822-headers\r\n");
    if (what() == Do::left_out && iequals(name, "content-type")) return emit("Content-Type: text/plain\r\n");
    emit(raw);
}

void SevenBitConverter::header_octets(const Entity&, std::string_view piece) {
    emit(piece);
}

void SevenBitConverter::header_end(const Entity& entity, std::string_view blank) {
    const Do now = what();
    if (now != Do::keep && last_ != '\n') emit("\r\n");
    if (now == Do::quoted_printable || now == Do::base64) {
        if (!entity.has_mime_version && (entity.depth == 0 || entity.nested_message)) emit("MIME-Version: 1.0\r\n");
        // RFC 1428: 8-bit text that never said what it is.
        if (!entity.has_content_type) emit("Content-Type: text/plain; charset=unknown-8bit\r\n");
    }
    if (!encoding_name(now).empty()) emit("Content-Transfer-Encoding: " + std::string(encoding_name(now)) + "\r\n");
    emit(blank.empty() && now != Do::keep ? std::string_view("\r\n") : blank);
    ++entity_;
    carry_.clear();
    field_.clear();
    attached_ended_ = false;
    first_line_ = true;
    qp_ = {};
}

// The content belongs to the entity before the index: header_end() has moved on.
void SevenBitConverter::content(std::string_view piece) {
    const Do now = entity_ > 0 && entity_ <= plan_.entities.size() ? plan_.entities[entity_ - 1] : Do::keep;
    switch (now) {
    case Do::quoted_printable: {
        std::string text;
        qp_.feed(piece, text);
        return emit(text);
    }
    case Do::base64: return base64_octets(piece);
    case Do::header_only: return attached_header(piece);
    case Do::left_out: return;
    case Do::keep:
    case Do::label_seven_bit: return emit(piece);
    }
}

void SevenBitConverter::content_end() {
    const Do now = entity_ > 0 && entity_ <= plan_.entities.size() ? plan_.entities[entity_ - 1] : Do::keep;
    if (now == Do::quoted_printable) {
        std::string text;
        qp_.finish(text);
        emit(text);
    } else if (now == Do::base64) {
        if (!carry_.empty()) base64_line(carry_);
        carry_.clear();
    } else if (now == Do::header_only) {
        if (!attached_ended_) field_ += carry_;
        carry_.clear();
        end_attached_field();
    } else if (now == Do::left_out) {
        emit("The message is larger than your mail system takes, and is not returned.");
    }
}

void SevenBitConverter::between(std::string_view piece) {
    emit(piece);
}

void SevenBitConverter::base64_octets(std::string_view piece) {
    carry_ += piece;
    std::string_view rest = carry_;
    while (rest.size() >= base64_input) {
        base64_line(rest.substr(0, base64_input));
        rest.remove_prefix(base64_input);
    }
    carry_ = std::string(rest);
}

// The line end after the last line is the delimiter's.
void SevenBitConverter::base64_line(std::string_view octets) {
    if (!first_line_) emit("\r\n");
    first_line_ = false;
    emit(base64(octets));
}

// Only the header of the attached message goes on, without fields that hold 8-bit octets.
void SevenBitConverter::attached_header(std::string_view piece) {
    while (!piece.empty() && !attached_ended_) {
        const auto lf = piece.find('\n');
        carry_ += piece.substr(0, lf == std::string_view::npos ? lf : lf + 1);
        piece.remove_prefix(lf == std::string_view::npos ? piece.size() : lf + 1);
        if (!carry_.ends_with('\n')) return;
        const bool continued = carry_.front() == ' ' || carry_.front() == '\t';
        if (!continued) end_attached_field();
        if (carry_ == "\r\n" || carry_ == "\n") attached_ended_ = true;
        if (!attached_ended_) field_ += carry_;
        carry_.clear();
    }
}

void SevenBitConverter::end_attached_field() {
    if (is_ascii(field_)) emit(field_);
    field_.clear();
}

} // namespace danelaw::message
