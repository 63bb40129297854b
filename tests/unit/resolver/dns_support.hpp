// A name server of a few lines on loopback: whatever a test wants said, in a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace danelaw::resolver::testing {

struct Record {
    std::string owner;
    std::uint16_t type = 1;
    std::string rdata;
    std::uint32_t ttl = 60;
};

struct Reply {
    int rcode = 0;
    std::vector<Record> answers;
    bool silent = false;
    bool with_soa = true; // when there are no answers
};

std::string wire_name(const std::string& name);

class NameServer {
  public:
    NameServer();
    ~NameServer();
    NameServer(const NameServer&) = delete;
    NameServer& operator=(const NameServer&) = delete;

    // What is said to a question from now on; NXDOMAIN to all others.
    void say(const std::string& name, std::uint16_t type, Reply reply);
    int asked(const std::string& name, std::uint16_t type); // so many times
    int asked_in_all();
    std::string at() const { return "127.0.0.1@" + std::to_string(port_); }

  private:
    void serve();
    std::string answer(const std::string& query);

    using Question = std::pair<std::string, std::uint16_t>;
    int socket_ = -1;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::map<Question, Reply> replies_;
    std::map<Question, int> asked_;
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

} // namespace danelaw::resolver::testing
