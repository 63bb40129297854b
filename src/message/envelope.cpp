// The envelope's words.

#include "danelaw/message/envelope.hpp"

namespace danelaw::message {

std::string_view word(RecipientState s) {
    switch (s) {
    case RecipientState::queued: return "queued";
    case RecipientState::delivered: return "delivered";
    case RecipientState::bounced: return "bounced";
    case RecipientState::expired: return "expired";
    case RecipientState::deleted: return "deleted";
    case RecipientState::held: return "held";
    }
    return "";
}

} // namespace danelaw::message
