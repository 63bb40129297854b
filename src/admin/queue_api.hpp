// The queue's part of the admin API. See api.cpp for the table of endpoints.
#pragma once

#include "danelaw/admin/api.hpp"

#include <string_view>

namespace danelaw::admin {

http::Response json_response(int status, const boost::json::value& body);
http::Response problem(int status, std::string_view text);
http::Response problem(const Error& error);

Task<http::Response> list_messages(Context& context, const http::Request& request);
Task<http::Response> show_message(Context& context, std::string id);
Task<http::Response> show_trace(Context& context, std::string id);
// One stored chunk of the content, `?chunk=N` from 0; empty after the last: a reader never needs it whole.
Task<http::Response> show_content(Context& context, std::string id, const http::Request& request);
Task<http::Response> act_on_queue(Context& context, store::Queue::Action action, const http::Request& request);

Task<http::Response> show_holds(Context& context);

// Bounces what the filter chooses, with a report to each sender (DQ-004: state and report in one step).
struct BounceWords {
    std::string text = "Returned by the operator of this relay";
    std::string status = "5.0.0";
};
Task<Result<store::Queue::Acted>> bounce(Context& context, store::Filter filter, BounceWords words);
// What the action would touch.
Task<Result<store::Queue::Acted>> preview(Context& context, store::Queue::Action action, store::Filter filter);

} // namespace danelaw::admin
