// How does content leave so that the other side sees one message and nothing else? Streaming encoders for DATA and
// BDAT. Pure. Only CRLF ends a line: a bare LF becomes CRLF, a stray CR a blank (SC-036, D-15, H103); a dot at a line's
// start is doubled (SC-037); lines of any length pass unchanged (SC-039). RFC 5321 2.3.8, 4.5.2; RFC 3030 2.
#pragma once

#include <string>
#include <string_view>

namespace danelaw::smtp {

// Pieces may be cut anywhere, also inside CRLF.
class ContentEncoder {
  public:
    enum class Dots { doubled, kept };
    explicit ContentEncoder(Dots dots) : dots_(dots) {}
    // Appends the encoded form of `piece` to `out`. A CR at the very end waits for the next piece.
    void feed(std::string_view piece, std::string& out);
    // Completes the last line with CRLF where it is missing.
    void finish(std::string& out);

  private:
    void line_piece(std::string_view text, std::string& out);
    enum class At { line_start, text, cr };
    Dots dots_;
    At at_ = At::line_start;
};

// For DATA: finish() also writes the ".\r\n" that ends the message.
class DotStuffer {
  public:
    void feed(std::string_view piece, std::string& out) { encoder_.feed(piece, out); }
    void finish(std::string& out) {
        encoder_.finish(out);
        out += ".\r\n";
    }

  private:
    ContentEncoder encoder_{ContentEncoder::Dots::doubled};
};

// For BDAT: each piece is a chunk that tells its size. The latest is held back until it is known whether it is the
// last.
class BdatChunks {
  public:
    // text: canonical line ends, no stuffing. binary: BINARYMIME content, sent as it is.
    enum class Form { text, binary };
    // A piece joins what is held while that is smaller than `least`: each chunk costs a reply.
    BdatChunks(Form form, std::size_t least) : form_(form), least_(least) {}
    // The chunk before this piece with its command; empty when there is none yet.
    std::string feed(std::string_view piece);
    std::string finish(); // what was held back, as the LAST

  private:
    Form form_;
    std::size_t least_;
    ContentEncoder encoder_{ContentEncoder::Dots::kept};
    std::string held_;
};

} // namespace danelaw::smtp
