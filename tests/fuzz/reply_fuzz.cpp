// Replies of any server: bounded, and never taken for another class (SC-028…SC-030, SC-023).
#include "danelaw/base/limits.hpp"
#include "danelaw/base/text.hpp"
#include "danelaw/smtp/capabilities.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace danelaw;
    smtp::ReplyParser parser;
    for (const auto& line : split(std::string_view(reinterpret_cast<const char*>(data), size), '\n')) {
        auto step = parser.feed(line);
        if (step == smtp::ReplyParser::Step::error) return 0;
        if (step == smtp::ReplyParser::Step::more) continue;
        auto reply = parser.take();
        if (reply.code < 200 || reply.code > 599 || reply.lines.size() > limits::reply_lines) std::abort();
        auto enhanced = reply.enhanced();
        if (!enhanced.empty() && enhanced[0] - '0' != reply.cls()) std::abort();
        auto offered = smtp::capabilities(reply);
        if (offered.binarymime && !offered.chunking) std::abort();
        (void)reply.text();
    }
    return 0;
}
