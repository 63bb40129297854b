#include "danelaw/policy/content_way.hpp"

#include "danelaw/base/limits.hpp"

namespace danelaw::policy {

ContentWay content_way(const smtp::Capabilities& offered, smtp::Body body, Bytes size) {
    if (body == smtp::Body::binary_mime && offered.binarymime) return ContentWay::bdat;
    if (!offered.chunking) return ContentWay::data;
    const bool one_chunk = size <= limits::chunk;
    return one_chunk != offered.pipelining ? ContentWay::bdat : ContentWay::data;
}

bool refuses_bdat(const smtp::Reply& reply) {
    return reply.code / 10 == 50;
}

void apply(ChunkingDoubt doubt, smtp::Capabilities& offered) {
    offered.chunking = false;
    if (doubt == ChunkingDoubt::refused) offered.binarymime = false;
}

} // namespace danelaw::policy
