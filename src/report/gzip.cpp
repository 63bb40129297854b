// One call of zlib's.
#include "gzip.hpp"

#include "danelaw/base/result.hpp"

#include <zlib.h>

namespace danelaw::report {

std::string gzip(std::string_view text) {
    constexpr int window = 15 + 16; // zlib's way to ask for gzip
    z_stream z{};
    DANELAW_CHECK(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(deflateBound(&z, text.size()), '\0');
    std::string in(text); // zlib wants to be able to write
    z.next_in = reinterpret_cast<Bytef*>(in.data());
    z.avail_in = static_cast<uInt>(in.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    const int done = deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    DANELAW_CHECK(done == Z_STREAM_END);
    return out;
}

} // namespace danelaw::report
