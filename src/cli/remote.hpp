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
    enum class Missing { complained_of, expected }; // what a 404 is
    Answer get(const std::string& target, Missing missing = Missing::complained_of);
    Answer post(const std::string& target, const boost::json::value& body);

  private:
    Answer ask(http::Request request, Missing missing = Missing::complained_of);
    bool find_address();
    const Remote& remote_;
    Console console_;
    std::string address_, token_;
};

// `queue flush --wait` (wait.cpp); `flushed` is when the daemon had answered the flush of so many recipients.
int wait_until_tried(Daemon& daemon, const QueueAct& asked, Time flushed, std::uint64_t recipients, Console console);

} // namespace danelaw::cli
