// Does the content go to this server by DATA or in chunks by BDAT? And was it BDAT itself that a server refused?
// Pure. Called by delivery. RFC 3030; SC-051, SC-075, SC-076.
#pragma once

#include "danelaw/base/text.hpp"
#include "danelaw/smtp/capabilities.hpp"
#include "danelaw/smtp/parameters.hpp"
#include "danelaw/smtp/reply.hpp"

namespace danelaw::policy {

enum class ContentWay { data, bdat };

// BDAT where it saves work. Binary content need not be re-encoded. What is one chunk need not wait for 354; with
// PIPELINING that comes with the replies to RCPT, and there is nothing to save. Of what is more, a refusal is known
// while it is under way; without PIPELINING each chunk would wait for its reply instead.
ContentWay content_way(const smtp::Capabilities& offered, smtp::Body body, Bytes size);

// 50z is said of a command, never of a message: a server that lists CHUNKING and does not know BDAT. The message is
// offered again by DATA, under the same plan.
bool refuses_bdat(const smtp::Reply& reply);

// What BDAT came to with a server before; remembered by address.
enum class ChunkingDoubt {
    refused,    // it does not know the command
    unanswered, // silence or an end where its reply belonged: perhaps something on the path that knows no BDAT
};
// What a server lists, less what experience speaks against. Binary content, which can't go otherwise, is still offered
// to one that was only silent.
void apply(ChunkingDoubt doubt, smtp::Capabilities& offered);

} // namespace danelaw::policy
