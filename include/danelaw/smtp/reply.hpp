// What did the server say? Lines of a reply into one value, within limits.
// Pure. Called by delivery's channel and by `check`. RFC 5321 4.2, RFC 2034 4, RFC 3463. SC-028…SC-030, H116.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::smtp {

struct Reply {
    int code = 0;
    std::vector<std::string> lines; // the text after the code and its blank or hyphen, as it came

    int cls() const { return code / 100; } // what decides: 2, 3, 4 or 5 (SC-028)
    bool good() const { return cls() == 2; }
    // "4.7.5" where some line starts with a code whose class fits the reply's; else "" (SC-030).
    std::string enhanced() const;
    // All lines joined by a blank, made printable: for logs, traces and notices.
    std::string text() const;
};

class ReplyParser {
  public:
    enum class Step {
        more,  // the reply goes on
        done,  // take() has it
        error, // not a reply: the connection is of no more use (SC-029); problem() says why
    };
    // One line without its CRLF.
    Step feed(std::string_view line);
    Reply take(); // after `done`; the parser starts anew
    const std::string& problem() const { return problem_; }

  private:
    Step refuse(std::string why);
    Reply reply_;
    std::size_t octets_ = 0;
    std::string problem_;
};

} // namespace danelaw::smtp
