// The streaming walk over a MIME structure: see the header.

#include "danelaw/message/mime.hpp"

#include "danelaw/base/text.hpp"

#include <algorithm>

namespace danelaw::message {

namespace {

constexpr std::size_t most_field = std::size_t{64} * 1024; // longer ones are passed through, not looked at
constexpr std::size_t most_line = std::size_t{64} * 1024;
constexpr std::size_t most_delimiter = 1024; // RFC 2046 5.1.1 allows 70 and trailing blanks; lenient
constexpr std::size_t most_levels = 64;      // nesting beyond it is an attack, not mail

bool blank(char c) {
    return c == ' ' || c == '\t';
}

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

// Skips blanks and comments (RFC 5322 3.2.2).
void skip_cfws(std::string_view& s) {
    int depth = 0;
    while (!s.empty()) {
        const char c = s.front();
        if (c == '(') {
            ++depth;
        } else if (c == ')' && depth > 0) {
            --depth;
        } else if (c == '\\' && depth > 0 && s.size() > 1) {
            s.remove_prefix(1);
        } else if (depth == 0 && !blank(c) && c != '\r' && c != '\n') {
            return;
        }
        s.remove_prefix(1);
    }
}

// RFC 2045 5.1 token, lenient: what is no blank, control octet or separator.
std::string_view take_token(std::string_view& s) {
    constexpr std::string_view specials = "()<>@,;:\\\"/[]?=";
    std::size_t n = 0;
    while (n < s.size() && static_cast<unsigned char>(s[n]) > 32 && s[n] != 127 &&
           specials.find(s[n]) == std::string_view::npos)
        ++n;
    auto token = s.substr(0, n);
    s.remove_prefix(n);
    return token;
}

std::string take_quoted(std::string_view& s) {
    std::string out;
    s.remove_prefix(1);
    while (!s.empty() && s.front() != '"') {
        if (s.front() == '\\' && s.size() > 1) s.remove_prefix(1);
        out += s.front();
        s.remove_prefix(1);
    }
    if (!s.empty()) s.remove_prefix(1);
    return out;
}

// A parameter's value; unquoted ones up to ; or a blank: old software leaves "=" and "/" unquoted in boundaries.
std::string take_value(std::string_view& s) {
    if (!s.empty() && s.front() == '"') return take_quoted(s);
    std::size_t n = 0;
    while (n < s.size() && !blank(s[n]) && s[n] != ';' && s[n] != '(') ++n;
    std::string out(s.substr(0, n));
    s.remove_prefix(n);
    return out;
}

} // namespace

std::string_view field_name(std::string_view raw) {
    std::size_t n = 0;
    while (n < raw.size() && raw[n] != ':' && static_cast<unsigned char>(raw[n]) > 32 && raw[n] != 127) ++n;
    const auto name = raw.substr(0, n);
    while (n < raw.size() && blank(raw[n])) ++n; // RFC 5322 4.5: blanks before the colon, obsolete but seen
    if (name.empty() || n >= raw.size() || raw[n] != ':') return {};
    return name;
}

std::string field_value(std::string_view raw) {
    const auto colon = raw.find(':');
    if (colon == std::string_view::npos) return {};
    std::string out;
    for (const char c : raw.substr(colon + 1))
        if (c != '\r' && c != '\n') out += c; // RFC 5322 2.2.3: unfolding takes the line end, the blank stays
    return std::string(trim(out));
}

std::string ContentType::parameter(std::string_view name) const {
    for (const auto& [key, value] : parameters)
        if (key == name) return value;
    return {};
}

ContentType parse_content_type(std::string_view s) {
    ContentType out;
    skip_cfws(s);
    const auto type = take_token(s);
    skip_cfws(s);
    if (type.empty() || s.empty() || s.front() != '/') return out;
    s.remove_prefix(1);
    skip_cfws(s);
    const auto subtype = take_token(s);
    if (subtype.empty()) return out;
    out.type = lower(type);
    out.subtype = lower(subtype);
    for (;;) {
        skip_cfws(s);
        while (!s.empty() && s.front() != ';') s.remove_prefix(1);
        if (s.empty()) return out;
        s.remove_prefix(1);
        skip_cfws(s);
        std::string name = lower(take_token(s));
        skip_cfws(s);
        if (name.empty() || s.empty() || s.front() != '=') continue;
        s.remove_prefix(1);
        skip_cfws(s);
        out.parameters.emplace_back(std::move(name), take_value(s));
    }
}

void MimeWalker::feed(std::string_view octets) {
    while (!octets.empty()) {
        const auto lf = octets.find('\n');
        const auto piece = octets.substr(0, lf == std::string_view::npos ? octets.size() : lf + 1);
        octets.remove_prefix(piece.size());
        const bool complete = piece.back() == '\n';
        if (long_line_) {
            rest_of_line(piece, complete);
            if (complete) long_line_ = false;
            continue;
        }
        line_ += piece;
        look(complete);
    }
}

// Either a whole line is there, or enough of it to know that the rest needs no look.
void MimeWalker::look(bool complete) {
    if (!complete) {
        if (region_ == Region::header) {
            if (line_.size() < most_line) return;
        } else if (line_.size() < 2 || (line_.starts_with("--") && line_.size() < most_delimiter)) {
            return;
        }
    }
    const std::string line = std::move(line_);
    line_.clear();
    if (!complete) long_line_ = true;
    if (region_ == Region::header)
        header_line(line);
    else
        body_line(line, complete);
    first_line_ = false;
}

void MimeWalker::header_line(std::string_view line) {
    const auto text = without_line_end(line);
    if (text.empty()) {
        end_field();
        end_header(line);
        return;
    }
    if (boundary_line(line)) return;
    if (blank(text.front()) && (!field_.empty() || long_field_)) {
        field_ += line;
        if (long_field_ || field_.size() > most_field || long_line_) {
            events_.header_octets(entity_, field_);
            field_.clear();
            long_field_ = true;
        }
        return;
    }
    const bool mbox = first_line_ && (text.starts_with("From ") || text.starts_with(">From "));
    if (mbox || !field_name(text).empty()) {
        end_field();
        field_ = line;
        if (mbox || long_line_) {
            events_.header_octets(entity_, field_);
            field_.clear();
            long_field_ = true;
        }
        return;
    }
    end_field(); // no field and no blank line: the body began without one
    end_header({});
    body_line(line, !long_line_);
}

void MimeWalker::end_field() {
    long_field_ = false;
    if (field_.empty()) return;
    const std::string field = std::move(field_);
    field_.clear();
    const auto name = field_name(field);
    if (iequals(name, "content-type") && !entity_.has_content_type) {
        entity_.has_content_type = true;
        entity_.content_type = parse_content_type(field_value(field));
    } else if (iequals(name, "content-transfer-encoding") && entity_.encoding.empty()) {
        const std::string value = field_value(field);
        std::string_view rest = value;
        skip_cfws(rest);
        entity_.encoding = lower(take_token(rest));
    } else if (iequals(name, "mime-version")) {
        entity_.has_mime_version = true;
    }
    events_.field(entity_, field);
}

void MimeWalker::begin_entity(unsigned depth, bool nested_message, bool digest) {
    entity_ = Entity{};
    entity_.depth = depth;
    entity_.nested_message = nested_message;
    entity_.in_message = messages_ > 0;
    if (digest) { // RFC 2046 5.1.5
        entity_.content_type.type = "message";
        entity_.content_type.subtype = "rfc822";
    }
    region_ = Region::header;
    field_.clear();
    long_field_ = false;
}

void MimeWalker::end_header(std::string_view blank_line) {
    const auto& type = entity_.content_type;
    const bool identity = entity_.encoding.empty() || entity_.encoding == "7bit" || entity_.encoding == "8bit" ||
                          entity_.encoding == "binary";
    std::string boundary;
    bool message = false;
    if (type.type == "multipart") {
        boundary = type.parameter("boundary");
        while (!boundary.empty() && blank(boundary.back())) boundary.pop_back();
        entity_.broken = boundary.empty() || boundary.size() > most_delimiter / 2 || levels_.size() >= most_levels;
    } else if (treat_ == Messages::walked && type.type == "message" && identity &&
               (type.subtype == "rfc822" || type.subtype == "global")) {
        message = messages_ < most_levels;
        entity_.broken = !message;
    }
    events_.header_end(entity_, blank_line);
    depth_ = entity_.depth;
    if (message) {
        ++messages_;
        begin_entity(depth_ + 1, true, false);
    } else if (type.type == "multipart" && !entity_.broken) {
        Level level{std::move(boundary), messages_, type.subtype == "digest", false};
        levels_.push_back(std::move(level));
        region_ = Region::between;
    } else {
        region_ = Region::leaf;
        leaf_open_ = true;
    }
}

void MimeWalker::end_leaf() {
    if (!leaf_open_) return;
    leaf_open_ = false;
    events_.content_end();
}

// A delimiter of any open multipart ends everything inside it (RFC 2046 5.1.2).
bool MimeWalker::boundary_line(std::string_view line) {
    if (levels_.empty() || !line.starts_with("--") || line.size() > most_delimiter) return false;
    std::string_view text = without_line_end(line).substr(2);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    std::size_t i = levels_.size();
    bool close = false;
    for (; i > 0; --i) {
        const Level& level = levels_[i - 1];
        if (level.closed || !text.starts_with(level.boundary)) continue;
        const auto rest = text.substr(level.boundary.size());
        close = rest == "--";
        if (rest.empty() || close) break;
    }
    if (i == 0) return false;
    levels_.resize(i);
    messages_ = levels_.back().messages;
    if (region_ == Region::header) {
        end_field();
        events_.header_end(entity_, {});
        leaf_open_ = true;
    }
    end_leaf();
    events_.between(pending_eol_);
    pending_eol_.clear();
    events_.between(line);
    if (close) {
        levels_.back().closed = true;
        region_ = Region::between;
    } else {
        begin_entity(static_cast<unsigned>(levels_.size()) + messages_, false, levels_.back().digest);
    }
    return true;
}

void MimeWalker::body_line(std::string_view line, bool complete) {
    if (boundary_line(line)) return;
    if (!pending_eol_.empty()) {
        const std::string eol = std::move(pending_eol_);
        pending_eol_.clear();
        pass(eol);
    }
    rest_of_line(line, complete);
}

// Inside a multipart the line end is held back until the next line proves not to be a delimiter.
void MimeWalker::rest_of_line(std::string_view piece, bool complete) {
    if (region_ == Region::header || levels_.empty()) return pass(piece);
    if (!pending_eol_.empty()) { // a CR that ended the piece before
        if (piece == "\n") {
            pending_eol_ += piece;
            return;
        }
        pending_eol_.clear();
        pass("\r");
    }
    auto text = piece;
    if (complete)
        text = without_line_end(piece);
    else if (piece.ends_with('\r'))
        text.remove_suffix(1);
    if (!text.empty()) pass(text);
    pending_eol_ = piece.substr(text.size());
}

void MimeWalker::pass(std::string_view piece) {
    switch (region_) {
    case Region::header: events_.header_octets(entity_, piece); return;
    case Region::leaf: events_.content(piece); return;
    case Region::between: events_.between(piece); return;
    }
}

void MimeWalker::finish() {
    if (!line_.empty()) {
        const std::string line = std::move(line_);
        line_.clear();
        if (region_ == Region::header)
            header_line(line);
        else
            body_line(line, true);
    }
    if (region_ == Region::header) {
        end_field();
        events_.header_end(entity_, {});
        return;
    }
    if (!pending_eol_.empty()) {
        const std::string eol = std::move(pending_eol_);
        pending_eol_.clear();
        pass(eol);
    }
    end_leaf();
}

} // namespace danelaw::message
