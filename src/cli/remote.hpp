// One question to the running daemon over its admin address.
#pragma once

#include "commands.hpp"

#include "danelaw/base/result.hpp"
#include "danelaw/http/message.hpp"

#include <boost/json/value.hpp>

#include <string>

namespace danelaw::cli {

// Keeps an answer, or the exit status after having said why there is none.
struct Answer {
    int exit = Exit::ok;
    http::Response response;
    boost::json::value json; // when the body was JSON
};

class Daemon {
  public:
    Daemon(const Remote& remote, Console console);
    Answer get(const std::string& target);
    Answer post(const std::string& target, const boost::json::value& body);

  private:
    Answer ask(http::Request request);
    bool find_address();
    const Remote& remote_;
    Console console_;
    std::string address_, token_;
};

} // namespace danelaw::cli
