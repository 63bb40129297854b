// Where does a message end, and what did it hold? Streaming decoders of what follows DATA and BDAT.
// Pure. Called by relay's session. RFC 5321 2.3.8, 4.1.1.4, 4.5.2; RFC 3030 2. SS-040, SS-041, SS-043, SS-046.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace danelaw::smtp {

// Only CR LF `.` CR LF ends the data, in any split across pieces (SS-040); the dot alone on the first line does too.
// One leading dot is taken off lines that CRLF began. A bare LF comes out as CRLF, a stray CR as a blank (D-15), so the
// output holds CRLF only.
class DataDecoder {
  public:
    struct Fed {
        std::size_t used = 0; // octets of the piece that belonged to the message; what follows is the next command's
        bool ended = false;
    };
    Fed feed(std::string_view piece, std::string& out);
    bool bare_line_ends() const { return bare_; } // a lone CR or LF was met

  private:
    enum class At { line_start, text, cr, dot, dot_cr };
    // Octets without LF.
    void segment(std::string_view text, std::string& out);
    bool line_feed(std::string& out); // true: the end
    At at_ = At::line_start;
    bool bare_ = false;
};

// BDAT text in canonical form: as above, without dots and without an end (SS-046). Carries over chunk borders.
class BdatDecoder {
  public:
    void feed(std::string_view piece, std::string& out);
    void finish(std::string& out); // after LAST: a CR at the very end is stray
    bool bare_line_ends() const { return bare_; }

  private:
    bool cr_ = false, bare_ = false;
};

} // namespace danelaw::smtp
