#include "ed25519_signature.hpp"

#include "danelaw/base/text.hpp"
#include "danelaw/message/mime.hpp"

#include <array>
#include <chrono>
#include <fmt/format.h>
#include <ranges>

namespace danelaw::dkim {
namespace {

constexpr std::size_t line_room = 70;

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

// `text` in lines of the field's value, cut after each `separator`, or anywhere when there is none.
std::string folded(std::string_view text, char separator) {
    std::string out;
    std::size_t column = 0;
    while (!text.empty()) {
        const auto end = separator == '\0' ? 0 : text.find(separator);
        const auto piece = text.substr(0, end == std::string_view::npos ? text.size() : end + 1);
        if (column > 0 && column + piece.size() > line_room) {
            out += "\r\n\t";
            column = 0;
        }
        out += piece;
        column += piece.size();
        text.remove_prefix(piece.size());
    }
    return out;
}

std::string taken(EVP_MD_CTX* context) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
    unsigned int size = 0;
    EVP_DigestFinal_ex(context, octets.data(), &size);
    return {reinterpret_cast<const char*>(octets.data()), size};
}

} // namespace

std::string relaxed_field(std::string_view raw) {
    std::string out = lower(message::field_name(raw)) + ":";
    bool blank = false;
    for (const char c : message::field_value(raw)) {
        if (!is_blank(c) && std::exchange(blank, false)) out += ' ';
        if (is_blank(c))
            blank = true;
        else
            out += c;
    }
    return out;
}

void RelaxedBody::put(char c, std::string& out) {
    for (; empty_lines_ > 0; --empty_lines_) out += "\r\n";
    if (std::exchange(blank_, false)) out += ' ';
    out += c;
    in_line_ = true;
}

std::string RelaxedBody::feed(std::string_view octets) {
    std::string out;
    for (const char c : octets) {
        if (std::exchange(cr_, false)) {
            if (c == '\n') {
                blank_ = false;
                if (std::exchange(in_line_, false))
                    out += "\r\n";
                else
                    ++empty_lines_;
                continue;
            }
            put('\r', out);
        }
        if (c == '\r')
            cr_ = true;
        else if (is_blank(c))
            blank_ = true;
        else
            put(c, out);
    }
    return out;
}

std::string RelaxedBody::finish() {
    std::string out;
    if (std::exchange(cr_, false)) put('\r', out);
    if (in_line_) out += "\r\n";
    return out;
}

Ed25519Signature::Ed25519Signature(PrivateKey key, std::string domain, std::string selector)
    : key_(std::move(key)), domain_(std::move(domain)), selector_(std::move(selector)),
      body_hash_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex(body_hash_.get(), EVP_sha256(), nullptr);
}

void Ed25519Signature::header(const std::vector<std::string>& fields, std::span<const char* const> names,
                              std::span<const char* const> sealed) {
    const auto sign = [this](std::string_view name) {
        signed_names_ += signed_names_.empty() ? "" : ":";
        signed_names_ += name;
    };
    for (const std::string_view name : names) {
        for (const auto& field : fields | std::views::reverse) { // of several the last first (RFC 6376 5.4.2)
            if (!iequals(message::field_name(field), name)) continue;
            sign(name);
            signed_text_ += relaxed_field(field) + "\r\n";
        }
        if (std::ranges::find(sealed, name) != sealed.end()) sign(name);
    }
}

void Ed25519Signature::body(std::string_view octets) {
    const auto canonical = relaxed_.feed(octets);
    EVP_DigestUpdate(body_hash_.get(), canonical.data(), canonical.size());
}

Result<std::string> Ed25519Signature::finish() {
    const auto rest = relaxed_.finish();
    EVP_DigestUpdate(body_hash_.get(), rest.data(), rest.size());
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    const auto field =
        fmt::format("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n\td={}; s={};\r\n\tt={}; "
                    "h={};\r\n\tbh={};\r\n\tb=",
                    domain_, selector_, now, folded(signed_names_, ':'), base64(taken(body_hash_.get())));
    const auto text = signed_text_ + relaxed_field(field);
    EVP_DigestInit_ex(body_hash_.get(), EVP_sha256(), nullptr);
    EVP_DigestUpdate(body_hash_.get(), text.data(), text.size());
    const auto digest = taken(body_hash_.get()); // RFC 8463 3: it is the digest that is signed
    std::array<unsigned char, 64> signature{};
    std::size_t size = signature.size();
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    if (EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, reinterpret_cast<const unsigned char*>(digest.data()),
                       digest.size()) != 1)
        return fail(Errc::io, "DKIM: the Ed25519 key can't sign");
    const std::string_view octets(reinterpret_cast<const char*>(signature.data()), size);
    return field + folded(base64(octets), '\0') + "\r\n";
}

} // namespace danelaw::dkim
