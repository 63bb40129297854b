// Content-Transfer-Encodings that we write (RFC 2045 6.7, 6.8). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace danelaw::message {

// Streaming, any split: CRLF is a line end, blanks before it are encoded, a lone CR or LF is an octet like others.
class QuotedPrintable {
  public:
    void feed(std::string_view piece, std::string& out);
    void finish(std::string& out);

  private:
    void octet(char c, std::string& out);
    void token(std::string_view text, std::string& out);
    std::string held_; // blank or CR, waiting for what follows
    std::size_t column_ = 0;
};

std::string quoted_printable(std::string_view text);
std::string base64_lines(std::string_view octets); // lines of 76 characters, each with its CRLF

} // namespace danelaw::message
