// The mail hosts of the benchmark: one process that takes mail for every address of the network namespace, counts each
// message once, and tells what it cost in connections and handshakes.
//
//   smtp_bench sink --certificate F --key F --out F [--port 25] [--expect N] [--latency-ms N] [--late ADDRESS=MS]...
//                   [--silent ADDRESS]
//
// Prints "ready", then "done" once messages 0 to N - 1 have arrived. --late: so much latency at that address; --silent:
// a host that takes connections and says nothing. At SIGTERM it writes F: a line of totals, then
// "NUMBER ARRIVED-NS CONNECTION" for each message. The latency is a round trip's: a reply leaves so long after its
// command came; commands that came together are answered together.
#include "peer.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace bench {
namespace {

struct Options {
    std::string certificate, key, out;
    int port = 25;
    std::size_t expect = 0;
    std::int64_t latency = 0;
    std::map<std::string, std::int64_t> late; // by address
    std::string silent;
};

struct Session {
    explicit Session(int fd) : peer(fd) {}
    Peer peer;
    std::uint64_t id = 0;
    std::string in;
    bool data = false;
    std::string head; // of the message coming in: where its number stands
    std::uint64_t octets = 0;
    bool tls_next = false; // STARTTLS was said: the handshake begins once 220 is out
    bool ends = false;     // QUIT was said
    std::int64_t latency = 0;
};

struct Arrival {
    std::uint64_t number, connection;
    std::int64_t at;
};

struct Late {
    std::uint64_t session;
    std::string text;
};

std::string local_address(int fd) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    char text[INET_ADDRSTRLEN] = "";
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0)
        inet_ntop(AF_INET, &at.sin_addr, text, sizeof text);
    return text;
}

class Sink {
  public:
    explicit Sink(Options options) : options_(std::move(options)) {}
    void run();

  private:
    void accept_all(int listener);
    void serve(Session& s);
    bool understand(Session& s);
    bool take_command(Session& s, std::string_view line);
    bool take_data(Session& s);
    void arrived(Session& s);
    void reply(Session& s, std::string text);
    void send(Session& s);
    void send_late();
    void drop(Session& s);
    void write_results() const;

    Options options_;
    SSL_CTX* context_ = nullptr;
    Poll poll_;
    std::uint64_t next_id_ = 1;
    std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
    std::multimap<std::int64_t, Late> late_; // by when it is due
    std::vector<Arrival> arrivals_;
    std::unordered_set<std::uint64_t> seen_;
    std::uint64_t handshakes_ = 0, clear_ = 0, octets_ = 0;
    std::size_t open_most_ = 0;
    bool told_ = false;
};

void Sink::run() {
    context_ = server_context(options_.certificate, options_.key);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, nullptr);
    const int signals = signalfd(-1, &stop, SFD_NONBLOCK);
    const int listener = listen_on("0.0.0.0", options_.port);
    int listener_tag = 0, signal_tag = 0;
    poll_.add(listener, &listener_tag);
    poll_.add(signals, &signal_tag);
    std::puts("ready");
    std::fflush(stdout);
    std::vector<epoll_event> events(512);
    for (;;) {
        const int n =
            poll_.wait(events.data(), static_cast<int>(events.size()), late_.empty() ? -1 : late_.begin()->first);
        for (int i = 0; i < n; ++i) {
            void* tag = events[static_cast<std::size_t>(i)].data.ptr;
            if (tag == &signal_tag) return write_results();
            if (tag == &listener_tag)
                accept_all(listener);
            else
                serve(*static_cast<Session*>(tag));
        }
        send_late();
    }
}

void Sink::accept_all(int listener) {
    for (;;) {
        const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        const int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        auto session = std::make_unique<Session>(fd);
        session->id = next_id_++;
        auto& s = *session;
        sessions_[s.id] = std::move(session);
        open_most_ = std::max(open_most_, sessions_.size());
        poll_.add(fd, &s);
        const auto at = local_address(fd);
        const auto late = options_.late.find(at);
        s.latency = late == options_.late.end() ? options_.latency : late->second;
        if (at == options_.silent) continue;
        reply(s, "220 sink.test ESMTP\r\n");
        send(s);
    }
}

void Sink::serve(Session& s) {
    if (s.peer.shaking) {
        const auto step = s.peer.handshake();
        if (step == Peer::Step::closed) return drop(s);
        poll_.watch(s.peer, &s);
        if (step == Peer::Step::again) return;
        ++handshakes_;
    }
    for (bool more = true; more;) {
        const auto step = s.peer.read(s.in);
        if (!understand(s) || step == Peer::Step::closed) return drop(s);
        more = step == Peer::Step::done;
    }
    send(s);
}

bool Sink::understand(Session& s) {
    for (;;) {
        if (s.data) {
            if (!take_data(s)) return true;
            continue;
        }
        const auto end = s.in.find("\r\n");
        if (end == std::string::npos) return s.in.size() < 65536;
        const auto line = s.in.substr(0, end);
        s.in.erase(0, end + 2);
        if (!take_command(s, line)) return false;
    }
}

bool Sink::take_command(Session& s, std::string_view line) {
    auto verb = [&](const char* word) { return strncasecmp(line.data(), word, std::strlen(word)) == 0; };
    if (verb("EHLO")) {
        reply(s, std::string("250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n") +
                     (s.peer.tls() ? "" : "250-STARTTLS\r\n") + "250 ENHANCEDSTATUSCODES\r\n");
    } else if (verb("STARTTLS")) {
        reply(s, "220 2.0.0 go on\r\n");
        s.tls_next = true;
    } else if (verb("DATA")) {
        reply(s, "354 go on\r\n");
        s.data = true;
        s.head = "\r\n";
        s.octets = 0;
    } else if (verb("QUIT")) {
        reply(s, "221 2.0.0 bye\r\n");
        s.ends = true;
    } else if (verb("MAIL") || verb("RCPT") || verb("RSET") || verb("NOOP") || verb("HELO")) {
        reply(s, "250 2.0.0 ok\r\n");
    } else {
        reply(s, "500 5.5.2 what?\r\n");
    }
    return true;
}

// True when the end of the content was reached. Keeps its beginning, drops the rest.
bool Sink::take_data(Session& s) {
    constexpr std::size_t looked_at = 4096;
    constexpr std::string_view end = "\r\n.\r\n";
    if (s.head.size() < looked_at) s.head += s.in.substr(0, looked_at - s.head.size());
    const bool empty = s.octets == 0 && s.in.starts_with(".\r\n");
    const auto at = empty ? 0 : s.in.find(end);
    if (at == std::string::npos) {
        const auto keep = std::min(s.in.size(), end.size() - 1);
        s.octets += s.in.size() - keep;
        s.in.erase(0, s.in.size() - keep);
        return false;
    }
    s.octets += at;
    s.in.erase(0, at + (empty ? 3 : end.size()));
    s.data = false;
    arrived(s);
    reply(s, "250 2.0.0 taken\r\n");
    return true;
}

void Sink::arrived(Session& s) {
    octets_ += s.octets;
    if (!s.peer.tls()) ++clear_;
    constexpr std::string_view field = "\r\nX-Bench: ";
    const auto at = s.head.find(field);
    if (at == std::string::npos) return; // no message of the load: a notice, say
    const auto number = std::strtoull(s.head.c_str() + at + field.size(), nullptr, 10);
    arrivals_.push_back({number, s.id, now()});
    if (number < options_.expect) seen_.insert(number);
    if (!told_ && seen_.size() == options_.expect) {
        told_ = true;
        std::puts("done");
        std::fflush(stdout);
    }
}

void Sink::reply(Session& s, std::string text) {
    if (s.latency == 0)
        s.peer.queue(text);
    else
        late_.insert({now() + s.latency, {s.id, std::move(text)}});
}

void Sink::send(Session& s) {
    const auto step = s.peer.flush();
    if (step == Peer::Step::closed) return drop(s);
    if (s.tls_next && step == Peer::Step::done && s.latency == 0) {
        s.tls_next = false;
        s.in.clear();
        s.peer.begin_tls(context_, true);
    }
    if (s.ends && step == Peer::Step::done && s.latency == 0) return drop(s);
    poll_.watch(s.peer, &s);
}

void Sink::send_late() {
    while (!late_.empty() && late_.begin()->first <= now()) {
        auto one = std::move(late_.extract(late_.begin()).mapped());
        const auto found = sessions_.find(one.session);
        if (found == sessions_.end()) continue;
        auto& s = *found->second;
        s.peer.queue(one.text);
        const bool tls = one.text.starts_with("220 2.0.0 go on"), bye = one.text.starts_with("221");
        const auto step = s.peer.flush();
        if (step == Peer::Step::closed || bye) {
            drop(s);
            continue;
        }
        if (tls) s.peer.begin_tls(context_, true);
        poll_.watch(s.peer, &s);
    }
}

void Sink::drop(Session& s) {
    sessions_.erase(s.id);
}

void Sink::write_results() const {
    auto* file = std::fopen(options_.out.c_str(), "w");
    if (file == nullptr) die("can't write " + options_.out);
    std::fprintf(file, "connections %llu handshakes %llu clear %llu octets %llu open_most %zu\n",
                 static_cast<unsigned long long>(next_id_ - 1), static_cast<unsigned long long>(handshakes_),
                 static_cast<unsigned long long>(clear_), static_cast<unsigned long long>(octets_), open_most_);
    for (const auto& a : arrivals_)
        std::fprintf(file, "%llu %lld %llu\n", static_cast<unsigned long long>(a.number), static_cast<long long>(a.at),
                     static_cast<unsigned long long>(a.connection));
    std::fclose(file);
}

} // namespace

int run_sink(int argc, char** argv) {
    Options options;
    for (int i = 0; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string value = argv[i + 1];
        if (name == "--certificate") options.certificate = value;
        if (name == "--key") options.key = value;
        if (name == "--out") options.out = value;
        if (name == "--port") options.port = std::stoi(value);
        if (name == "--expect") options.expect = std::stoul(value);
        if (name == "--latency-ms") options.latency = std::stoll(value) * 1000000;
        if (name == "--silent") options.silent = value;
        const auto equals = value.find('=');
        if (name == "--late" && equals != std::string::npos)
            options.late[value.substr(0, equals)] = std::stoll(value.substr(equals + 1)) * 1000000;
    }
    Sink(std::move(options)).run();
    return 0;
}

} // namespace bench
