// HTTP requests and responses as values. Pure. Used by the admin API, the MTA-STS fetcher and TLSRPT's https delivery.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace danelaw::http {

struct Header {
    std::string name, value;
};

// The first header of that name, case-insensitive; nullopt when there is none.
std::optional<std::string_view> find(const std::vector<Header>& headers, std::string_view name);

struct Request {
    std::string method = "GET";
    std::string target = "/"; // path and query, as on the wire
    std::vector<Header> headers;
    std::string body;
    std::string peer; // server side: the client's address, "" for a unix socket

    std::string_view path() const; // target up to '?'
    // The value of a query parameter, percent-decoded; nullopt when absent.
    std::optional<std::string> query(std::string_view name) const;
};

// Content-Length and Connection are written by us; everything else is as given here.
struct Response {
    int status = 200;
    std::vector<Header> headers;
    std::string body;
};

std::optional<std::string> percent_decode(std::string_view text); // nullopt: a broken escape
std::string percent_encode(std::string_view text);                // all but unreserved characters (RFC 3986 2.3)

} // namespace danelaw::http
