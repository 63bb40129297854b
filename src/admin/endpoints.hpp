// The answers that api.cpp's table names, and what they share. Each gets the request and, where its path has one, the
// value of {id}.
#pragma once

#include "danelaw/admin/api.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace danelaw::admin {

// A number from the query, `fallback` when it isn't there; errc::parse for what is no number.
Result<std::size_t> number_asked(const http::Request& request, std::string_view name, std::size_t fallback,
                                 std::size_t most);

// status_api.cpp: how things are
Task<http::Response> health(Context& context, const http::Request& request);
Task<http::Response> status(Context& context);
Task<http::Response> metrics(Context& context);
Task<http::Response> history(Context& context, const http::Request& request);
Task<http::Response> failures(Context& context, const http::Request& request);
Task<http::Response> destinations(Context& context, const http::Request& request);

// ask_api.cpp: what would be
Task<http::Response> index(Context& context, const http::Request& request);
Task<http::Response> policies(Context& context);
Task<http::Response> check(Context& context, const http::Request& request);
Task<http::Response> tls_reports(Context& context, const http::Request& request);

// page.cpp: the web page and what it is made of; nullopt: no such file
Task<http::Response> page(const http::Request& request, std::string_view file);
http::Response openapi();

} // namespace danelaw::admin
