// Varints, length-prefixed strings, a version octet in front and a CRC-32C behind. Enumerations that other modules may
// extend are stored by their contract words, so that their order means nothing on disk.
#include "codec.hpp"

#include "crc32c.hpp"
#include "danelaw/base/text.hpp"

#include <algorithm>
#include <cstring>

namespace danelaw::store {
namespace {

constexpr unsigned char version = 1;

class Writer {
  public:
    Writer() { out_.push_back(static_cast<char>(version)); }
    void number(std::uint64_t v) {
        while (v >= 0x80) {
            out_.push_back(static_cast<char>((v & 0x7FU) | 0x80U));
            v >>= 7U;
        }
        out_.push_back(static_cast<char>(v));
    }
    void signed_number(std::int64_t v) { // zigzag
        number((static_cast<std::uint64_t>(v) << 1U) ^ static_cast<std::uint64_t>(v >> 63));
    }
    void text(std::string_view s) {
        number(s.size());
        out_.append(s);
    }
    std::string finish() {
        std::uint32_t crc = crc32c(out_);
        char four[4];
        std::memcpy(four, &crc, 4); // both stores live on little-endian Debian architectures
        out_.append(four, 4);
        return std::move(out_);
    }

  private:
    std::string out_;
};

// Reads what Writer wrote; after an overrun every read gives nothing and ok() is false.
class Reader {
  public:
    explicit Reader(std::string_view body) : rest_(body) {}
    std::uint64_t number() {
        std::uint64_t v = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            auto c = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            v |= static_cast<std::uint64_t>(c & 0x7FU) << shift;
            if (c < 0x80) return v;
        }
        ok_ = false;
        return 0;
    }
    std::int64_t signed_number() {
        std::uint64_t v = number();
        return static_cast<std::int64_t>(v >> 1U) ^ -static_cast<std::int64_t>(v & 1U);
    }
    std::string_view view() {
        std::uint64_t n = number();
        if (n > rest_.size()) {
            ok_ = false;
            return {};
        }
        auto v = rest_.substr(0, n);
        rest_.remove_prefix(n);
        return v;
    }
    std::string text() { return std::string(view()); }
    bool more() const { return !rest_.empty(); } // what later releases append, an older one's blobs lack
    bool ok() const { return ok_; }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

Result<Reader> open(std::string_view blob, const char* what) {
    if (blob.size() < 5) return fail(Errc::damaged, std::string(what) + " is cut short");
    std::uint32_t crc = 0;
    std::memcpy(&crc, blob.data() + blob.size() - 4, 4);
    if (crc32c(blob.substr(0, blob.size() - 4)) != crc)
        return fail(Errc::damaged, std::string(what) + " fails its checksum");
    auto v = static_cast<unsigned char>(blob.front());
    if (v != version)
        return fail(Errc::damaged, std::string(what) + " has version " + std::to_string(v) + ", unknown here");
    return Reader(blob.substr(1, blob.size() - 5));
}

Error malformed(const char* what) {
    return Error{Errc::damaged, std::string(what) + " is malformed"};
}

std::uint64_t flags(const message::Envelope& e) {
    const auto& c = e.content;
    return (e.smtputf8 ? 1U : 0U) | (e.requiretls ? 2U : 0U) | (c.eight_bit_body ? 4U : 0U) |
           (c.eight_bit_header ? 8U : 0U) | (c.binary ? 16U : 0U) | (c.tls_required_no ? 32U : 0U) |
           (c.signed_content ? 64U : 0U) | (c.bare_line_ends ? 128U : 0U);
}

void set_flags(message::Envelope& e, std::uint64_t f) {
    e.smtputf8 = (f & 1U) != 0;
    e.requiretls = (f & 2U) != 0;
    e.content.eight_bit_body = (f & 4U) != 0;
    e.content.eight_bit_header = (f & 8U) != 0;
    e.content.binary = (f & 16U) != 0;
    e.content.tls_required_no = (f & 32U) != 0;
    e.content.signed_content = (f & 64U) != 0;
    e.content.bare_line_ends = (f & 128U) != 0;
}

std::string address_text(const std::optional<IpAddress>& a) {
    if (!a) return {};
    return std::string(reinterpret_cast<const char*>(a->octets.data()), a->v6 ? 16 : 4);
}

std::optional<IpAddress> address_from(std::string_view octets) {
    if (octets.size() != 4 && octets.size() != 16) return std::nullopt;
    IpAddress a;
    a.v6 = octets.size() == 16;
    std::memcpy(a.octets.data(), octets.data(), octets.size());
    return a;
}

} // namespace

static_assert(static_cast<int>(message::Body::binary_mime) == 2 && static_cast<int>(message::Ret::headers) == 2 &&
                  static_cast<int>(message::Origin::tls_report) == 2 &&
                  static_cast<int>(message::RecipientState::held) == 5,
              "these numbers are on disk");

std::string encode(const message::Envelope& e) {
    Writer w;
    w.text(e.id);
    w.text(e.reverse_path);
    w.number(static_cast<std::uint64_t>(e.body));
    w.number(static_cast<std::uint64_t>(e.ret));
    w.number(static_cast<std::uint64_t>(e.origin));
    w.number(flags(e));
    w.text(e.envid);
    w.text(e.auth);
    w.signed_number(millis(e.received_at));
    w.text(address_text(e.client.address));
    w.text(e.client.helo);
    w.text(e.client.user);
    w.text(e.client.protocol);
    w.text(e.client.tls);
    w.number(e.content.size);
    w.number(e.content.header_size);
    w.signed_number(e.content.received_count);
    w.text(e.ret_as_received);
    return w.finish();
}

Result<message::Envelope> decode_envelope(std::string_view blob) {
    auto r = open(blob, "envelope");
    if (!r) return fail(r.error());
    message::Envelope e;
    e.id = r->text();
    e.reverse_path = r->text();
    auto body = r->number();
    auto ret = r->number();
    auto origin = r->number();
    set_flags(e, r->number());
    e.envid = r->text();
    e.auth = r->text();
    e.received_at = time_from(r->signed_number());
    e.client.address = address_from(r->view());
    e.client.helo = r->text();
    e.client.user = r->text();
    e.client.protocol = r->text();
    e.client.tls = r->text();
    e.content.size = r->number();
    e.content.header_size = r->number();
    e.content.received_count = static_cast<int>(r->signed_number());
    if (r->more()) e.ret_as_received = r->text();
    if (!r->ok() || body > 2 || ret > 2 || origin > 2) return fail(malformed("envelope"));
    e.body = static_cast<message::Body>(body);
    e.ret = static_cast<message::Ret>(ret);
    e.origin = static_cast<message::Origin>(origin);
    return e;
}

std::string encode_address(const message::Recipient& recipient) {
    Writer w;
    w.text(recipient.address);
    w.text(recipient.orcpt);
    const auto& n = recipient.notify;
    w.number((n.never ? 1U : 0U) | (n.success ? 2U : 0U) | (n.failure ? 4U : 0U) | (n.delay ? 8U : 0U));
    w.text(n.as_received);
    return w.finish();
}

Result<void> decode_address(std::string_view blob, message::Recipient& into) {
    auto r = open(blob, "recipient");
    if (!r) return fail(r.error());
    into.address = r->text();
    into.orcpt = r->text();
    auto n = r->number();
    std::string as_received = r->more() ? r->text() : std::string();
    if (!r->ok()) return fail(malformed("recipient"));
    into.notify = {(n & 1U) != 0, (n & 2U) != 0, (n & 4U) != 0, (n & 8U) != 0, std::move(as_received)};
    return {};
}

std::string encode(const message::Outcome& o) {
    Writer w;
    w.text(word(o.verdict));
    w.text(word(o.reason));
    w.text(o.host);
    w.text(word(o.tls_level));
    w.signed_number(o.code);
    w.text(o.enhanced);
    w.text(o.text);
    w.number((o.dsn_passed_on ? 1U : 0U) | (o.released ? 2U : 0U));
    return w.finish();
}

Result<message::Outcome> decode_outcome(std::string_view blob) {
    auto r = open(blob, "outcome");
    if (!r) return fail(r.error());
    message::Outcome o;
    auto verdict = verdict_from(r->view());
    auto reason = r->view();
    o.host = r->text();
    auto level = level_from(r->view());
    o.code = static_cast<int>(r->signed_number());
    o.enhanced = r->text();
    o.text = r->text();
    const auto marks = r->number();
    o.dsn_passed_on = (marks & 1U) != 0;
    o.released = (marks & 2U) != 0;
    if (!r->ok() || !verdict || !level) return fail(malformed("outcome"));
    o.verdict = *verdict;
    o.tls_level = *level;
    o.reason = reason_from(reason).value_or(Reason::none);
    return o;
}

std::int64_t code(message::RecipientState state) {
    return static_cast<std::int64_t>(state);
}

std::optional<message::RecipientState> state_from(std::int64_t code) {
    if (code < 0 || code > 5) return std::nullopt;
    return static_cast<message::RecipientState>(code);
}

Tried tried(const std::optional<message::Outcome>& last) {
    if (!last) return {};
    return {std::string(word(last->reason)), host_key(last->host)};
}

std::string host_key(std::string_view host) {
    std::string out;
    for (auto rest = host; !rest.empty();) {
        const auto dot = rest.rfind('.');
        const auto label = dot == std::string_view::npos ? rest : rest.substr(dot + 1);
        rest = dot == std::string_view::npos ? std::string_view() : rest.substr(0, dot);
        if (!out.empty()) out += '.';
        out += lower(label);
    }
    return out;
}

HostRange host_range(std::string_view host) {
    if (!host.starts_with('.')) return {host_key(host), host_key(host) + '\x01'};
    const auto key = host_key(host.substr(1));
    return {key + '.', key + '/'}; // the octet after the dot
}

const message::Recipient* Message::recipient(std::uint32_t number) const {
    const auto it = std::ranges::lower_bound(recipients, number, {}, &message::Recipient::number);
    return it == recipients.end() || it->number != number ? nullptr : &*it;
}

bool names_nothing(const Filter& f) {
    return f.ids.empty() && f.domain.empty() && f.sender.empty() && f.state.empty() && f.reason.empty() &&
           f.host.empty() && !f.older_than && !f.due_after;
}

bool concerns(const Filter& filter, const message::Recipient& r) {
    if (!filter.domain.empty() && !iequals(r.domain, filter.domain)) return false;
    if (!filter.host.empty()) {
        const auto range = host_range(filter.host);
        const auto key = tried(r.last).host;
        if (key.empty() || key < range.first || key >= range.end) return false;
    }
    if (filter.due_after && r.next_attempt <= *filter.due_after) return false;
    return filter.reason.empty() || (r.last && word(r.last->reason) == filter.reason);
}

RecipientRow to_row(const message::Recipient& r) {
    RecipientRow row;
    row.number = r.number;
    row.domain = r.domain;
    row.state = code(r.state);
    row.due = millis(r.next_attempt);
    row.attempts = r.attempts;
    row.notified = r.delay_notified ? 1 : 0;
    row.address = encode_address(r);
    if (r.last) row.last = encode(*r.last);
    return row;
}

Result<message::Recipient> from_row(const RecipientRow& row) {
    message::Recipient r;
    r.number = row.number;
    r.domain = row.domain;
    auto state = state_from(row.state == set_aside ? 0 : row.state);
    if (!state) return fail(malformed("recipient's state"));
    r.state = *state;
    r.next_attempt = time_from(row.due);
    r.attempts = static_cast<std::uint32_t>(row.attempts);
    r.delay_notified = row.notified != 0;
    if (auto ok = decode_address(row.address, r); !ok) return fail(ok.error());
    if (row.last.empty()) return r;
    auto last = decode_outcome(row.last);
    if (!last) return fail(last.error());
    r.last = std::move(*last);
    return r;
}

std::string encode_history(std::string_view envelope, std::span<const RecipientRow> recipients,
                           std::span<const std::string> attempts) {
    Writer w;
    w.text(envelope);
    w.number(recipients.size());
    for (const auto& r : recipients) {
        w.number(r.number);
        w.text(r.domain);
        w.signed_number(r.state);
        w.signed_number(r.due);
        w.signed_number(r.attempts);
        w.signed_number(r.notified);
        w.text(r.address);
        w.text(r.last);
    }
    w.number(attempts.size());
    for (const auto& a : attempts) w.text(a);
    return w.finish();
}

Result<Trace> decode_history(std::string_view blob) {
    auto r = open(blob, "trace");
    if (!r) return fail(r.error());
    Trace trace;
    auto envelope = decode_envelope(r->view());
    if (!envelope) return fail(envelope.error());
    trace.message.envelope = std::move(*envelope);
    for (auto n = r->number(); n > 0 && r->ok(); --n) {
        RecipientRow row;
        row.number = static_cast<std::uint32_t>(r->number());
        row.domain = r->text();
        row.state = r->signed_number();
        row.due = r->signed_number();
        row.attempts = r->signed_number();
        row.notified = r->signed_number();
        row.address = r->text();
        row.last = r->text();
        if (!r->ok()) break;
        auto recipient = from_row(row);
        if (!recipient) return fail(recipient.error());
        trace.message.recipients.push_back(std::move(*recipient));
    }
    for (auto n = r->number(); n > 0 && r->ok(); --n) trace.attempts.push_back(r->text());
    if (!r->ok()) return fail(malformed("trace"));
    return trace;
}

} // namespace danelaw::store
