// What the load and the sink share: a non-blocking connection, in clear text or TLS, on one epoll loop. Deliberately
// not the product's own network code: a fault in that must not measure itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <openssl/ssl.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>

namespace bench {

// CLOCK_MONOTONIC in nanoseconds, the same clock in both programs and in the script.
inline std::int64_t now() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

[[noreturn]] inline void die(const std::string& why) {
    std::fprintf(stderr, "smtp_bench: %s\n", why.c_str());
    std::exit(1);
}

class Peer {
  public:
    explicit Peer(int fd) : fd_(fd) {}
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer();

    enum class Step { done, again, closed };
    // Makes it TLS from here on; handshake() is called until it says done.
    void begin_tls(SSL_CTX* context, bool as_server);
    Step handshake();
    // Appends what can be read to `in`, at most about 256 KiB a call.
    Step read(std::string& in);
    // Sends what is queued; `tail` follows it without being copied (a large body that all messages share).
    Step flush();
    void queue(std::string_view octets) { out_ += octets; }
    void queue_tail(std::string_view tail) { tail_ = tail; }

    int fd() const { return fd_; }
    bool tls() const { return ssl_ != nullptr; }
    bool shaking = false; // a handshake is under way
    bool wants_write() const { return wants_write_; }

  private:
    Step write(std::string_view octets, std::size_t& sent);
    Step verdict(int returned);

    int fd_;
    SSL* ssl_ = nullptr;
    std::string out_;
    std::string_view tail_;
    bool wants_write_ = false;
};

// An epoll loop's file, with the events a peer needs now.
class Poll {
  public:
    Poll();
    void add(int fd, void* tag) const;
    void watch(const Peer& peer, void* tag) const;
    int wait(epoll_event* events, int most, std::int64_t until) const; // until: now() or -1 for ever

  private:
    int fd_;
};

int listen_on(const std::string& address, int port);
int connect_to(const std::string& address, int port);
SSL_CTX* server_context(const std::string& certificate, const std::string& key);
SSL_CTX* client_context(); // authenticates nobody: the load only has to look like a client

int run_sink(int argc, char** argv);
int run_load(int argc, char** argv);

} // namespace bench
