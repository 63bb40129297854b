// Lines and counted octets over a Stream, with bounds. Both sides of SMTP read through this.
#pragma once

#include "danelaw/net/stream.hpp"

#include <string>

namespace danelaw::net {

class Buffered {
  public:
    explicit Buffered(Stream stream) : stream_(std::move(stream)) {}

    // One line without its CRLF. Only CRLF ends a line when `strict`; else a bare LF does too (replies of sloppy
    // servers, SC-029). A line beyond `most` octets: errc::limit, after reading (and dropping) up to its end within the
    // deadline.
    enum class LineEnd { crlf_only, lf_tolerated };
    Task<Result<std::string>> read_line(std::size_t most, LineEnd ends, Deadline deadline);
    // What is buffered or arrives next, at most `most` octets; at least one. Reads no further than `most`.
    Task<Result<std::string>> read_some(std::size_t most, Deadline deadline);
    // A server's waits: a time-out or a cancel leaves the stream open, so that 421 can still be said. await_line ends
    // when a line is buffered, or more octets than `most` are; await_input when any octet is at hand.
    Task<Result<void>> await_line(std::size_t most, Deadline deadline);
    Task<Result<void>> await_input(Deadline deadline);
    bool line_buffered() const;             // up to CRLF
    void put_back(std::string_view octets); // read too far: to be read again first
    // Is there something buffered, or waiting on the socket right now? (DANE-116, SS-062, SS-071, H111)
    // An end of the connection is not input: then stream().is_open() turns false.
    bool input_waiting();
    std::size_t buffered() const { return buffer_.size() - at_; }
    void drop_buffered();

    Task<Result<void>> write(std::string_view bytes, Deadline deadline) { return stream_.write(bytes, deadline); }
    // errc::parse when unread octets are buffered: an injection before TLS (RFC 3207 4; CVE-2011-0411). The stream is
    // closed then.
    Task<Result<void>> start_tls(ssl_st* ssl, Stream::Side side, Deadline deadline);
    Stream& stream() { return stream_; }
    bool stream_is_tls() const { return stream_.is_tls(); }

  private:
    Task<Result<std::size_t>> fill(Deadline deadline);
    Stream stream_;
    std::string buffer_;
    std::size_t at_ = 0;
};

} // namespace danelaw::net
