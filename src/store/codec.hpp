// How envelopes, recipients and outcomes lie in the database: compact, versioned, each blob with its checksum. Pure.
// Both stores use it, so a message moves between them as it is. A later version may add fields at the end of a blob;
// what it can't express that way gets a new version number, which older programs set aside (DQ-064, H126).
#pragma once

#include "danelaw/store/queue.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::store {

std::string encode(const message::Envelope& envelope);
Result<message::Envelope> decode_envelope(std::string_view blob);

// The part of a recipient that never changes: address, ORCPT, NOTIFY.
std::string encode_address(const message::Recipient& recipient);
Result<void> decode_address(std::string_view blob, message::Recipient& into);

std::string encode(const message::Outcome& outcome);
Result<message::Outcome> decode_outcome(std::string_view blob);

// A recipient's row as both databases keep it: what is searched for in columns, the rest in blobs.
struct RecipientRow {
    std::uint32_t number = 0;
    std::string domain;
    std::int64_t state = 0;
    std::int64_t due = 0;
    std::int64_t attempts = 0;
    std::int64_t notified = 0;
    std::string address; // encode_address
    std::string last;    // encode(Outcome), empty when never tried
};
RecipientRow to_row(const message::Recipient& recipient);
Result<message::Recipient> from_row(const RecipientRow& row);

// What the last attempt is searched by.
struct Tried {
    std::string reason; // the contract's word; empty: never failed
    std::string host;   // see host_key()
};
Tried tried(const std::optional<message::Outcome>& last);
// A host's labels from the right, so that all hosts below a name lie side by side: "com.example.mx1".
std::string host_key(std::string_view host);
// The keys that a filter's host means: those from `first` on, before `end`.
struct HostRange {
    std::string first, end;
};
HostRange host_range(std::string_view host);

// What stays of a finished message: envelope, recipients and attempts in one blob.
std::string encode_history(std::string_view envelope, std::span<const RecipientRow> recipients,
                           std::span<const std::string> attempts);
Result<Trace> decode_history(std::string_view blob);

// RecipientState as stored; set_aside marks recipients of a damaged message, which nothing hands out.
std::int64_t code(message::RecipientState state);
std::optional<message::RecipientState> state_from(std::int64_t code);
inline constexpr std::int64_t set_aside = 100;
inline bool is_open(std::int64_t code) {
    return code == 0 || code == 5;
} // queued, held
inline bool keeps_open(std::int64_t code) { // its message in the queue
    return is_open(code) || code == set_aside;
}

inline std::int64_t millis(Time t) {
    return t.time_since_epoch().count();
}
inline Time time_from(std::int64_t ms) {
    return Time(Millis(ms));
}

} // namespace danelaw::store
