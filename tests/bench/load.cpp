// The senders of the benchmark: a number of connections that submit numbered messages as fast as they are taken, or at
// a fixed rate.
//
//   smtp_bench load --to ADDRESS --port N --out F --connections N --messages N --size OCTETS --domains N
//                   [--rate PER-SECOND] [--tls yes] [--first-domain N] [--first-number N]
//
// Message n goes to rcpt@d<first-domain + n mod domains>.test, numbered first-number + n. MAIL, RCPT and DATA are
// pipelined, connections are kept. Writes F: "NUMBER BEGUN-NS ACCEPTED-NS" for each message; any refusal ends the run.
#include "peer.hpp"

#include <memory>
#include <vector>

namespace bench {
namespace {

struct Options {
    std::string to = "127.0.0.1", out;
    int port = 2525;
    std::size_t connections = 1, messages = 1, size = 1024, domains = 1;
    std::size_t first_domain = 0, first_number = 0;
    double rate = 0;
    bool tls = false;
};

enum class State { greeting, ehlo, starttls, ehlo_again, idle, envelope, content, quit };

struct Sender {
    explicit Sender(int fd) : peer(fd) {}
    Peer peer;
    std::string in;
    State state = State::greeting;
    std::size_t number = 0;
    int replies = 0; // of the envelope
};

struct Times {
    std::int64_t begun = 0, accepted = 0;
};

class Load {
  public:
    explicit Load(Options options) : options_(std::move(options)), times_(options_.messages) {}
    void run();

  private:
    void serve(Sender& s);
    void answer(Sender& s, int code, std::string_view line);
    void next(Sender& s);
    void begin(Sender& s);
    void send(Sender& s);
    void start_due();
    std::int64_t due(std::size_t number) const;
    void write_results() const;

    Options options_;
    Poll poll_;
    SSL_CTX* context_ = nullptr;
    std::vector<std::unique_ptr<Sender>> senders_;
    std::vector<Sender*> idle_;
    std::vector<Times> times_;
    std::string body_;
    std::size_t begun_ = 0, accepted_ = 0;
    std::int64_t start_ = 0;
};

std::string body_of(std::size_t size) {
    std::string out;
    while (out.size() + 2 < size) {
        const auto room = std::min<std::size_t>(76, size - out.size() - 2);
        out.append(room, static_cast<char>('a' + out.size() % 26));
        out += "\r\n";
    }
    return out + ".\r\n";
}

void Load::run() {
    body_ = body_of(options_.size);
    context_ = client_context();
    for (std::size_t n = 0; n < options_.connections; ++n) {
        senders_.push_back(std::make_unique<Sender>(connect_to(options_.to, options_.port)));
        poll_.add(senders_.back()->peer.fd(), senders_.back().get());
    }
    start_ = now();
    std::vector<epoll_event> events(512);
    while (accepted_ < options_.messages) {
        const bool paced = options_.rate > 0 && begun_ < options_.messages;
        const int n = poll_.wait(events.data(), static_cast<int>(events.size()), paced ? due(begun_) : -1);
        for (int i = 0; i < n; ++i) serve(*static_cast<Sender*>(events[static_cast<std::size_t>(i)].data.ptr));
        start_due();
    }
    write_results();
}

std::int64_t Load::due(std::size_t number) const {
    return start_ + static_cast<std::int64_t>(static_cast<double>(number) * 1e9 / options_.rate);
}

void Load::start_due() {
    while (options_.rate > 0 && !idle_.empty() && begun_ < options_.messages && due(begun_) <= now()) {
        auto& s = *idle_.back();
        idle_.pop_back();
        begin(s);
        send(s);
    }
}

void Load::serve(Sender& s) {
    if (s.peer.shaking) {
        const auto step = s.peer.handshake();
        if (step == Peer::Step::closed) die("the TLS handshake failed");
        if (step == Peer::Step::done) {
            s.peer.queue("EHLO load.test\r\n");
            s.state = State::ehlo_again;
            send(s);
        }
        return poll_.watch(s.peer, &s);
    }
    for (bool more = true; more;) {
        const auto step = s.peer.read(s.in);
        std::size_t at = 0;
        for (auto end = s.in.find("\r\n"); end != std::string::npos; end = s.in.find("\r\n", at)) {
            const auto line = std::string_view(s.in).substr(at, end - at);
            at = end + 2;
            if (line.size() > 3 && line[3] == '-') continue;
            answer(s, std::atoi(line.data()), line);
        }
        s.in.erase(0, at);
        if (step == Peer::Step::closed && s.state != State::quit) die("the relay closed a connection");
        more = step == Peer::Step::done;
    }
    send(s);
}

void Load::answer(Sender& s, int code, std::string_view line) {
    if (code >= 400) die("refused: " + std::string(line));
    switch (s.state) {
    case State::greeting:
        s.peer.queue("EHLO load.test\r\n");
        s.state = State::ehlo;
        break;
    case State::ehlo:
        if (!options_.tls) return next(s);
        s.peer.queue("STARTTLS\r\n");
        s.state = State::starttls;
        break;
    case State::starttls: s.peer.begin_tls(context_, false); break;
    case State::ehlo_again: return next(s);
    case State::envelope:
        if (++s.replies < 3) break;
        s.peer.queue("From: <bench@sender.test>\r\nTo: <rcpt@example.test>\r\nSubject: number " +
                     std::to_string(s.number) + "\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <" +
                     std::to_string(s.number) +
                     "@load.test>\r\nX-Bench: " + std::to_string(options_.first_number + s.number) + "\r\n\r\n");
        s.peer.queue_tail(body_);
        s.state = State::content;
        break;
    case State::content:
        times_[s.number].accepted = now();
        ++accepted_;
        return next(s);
    case State::idle:
    case State::quit: break;
    }
}

void Load::next(Sender& s) {
    if (begun_ == options_.messages) {
        s.peer.queue("QUIT\r\n");
        s.state = State::quit;
    } else if (options_.rate > 0) {
        s.state = State::idle;
        idle_.push_back(&s);
    } else {
        begin(s);
    }
}

void Load::begin(Sender& s) {
    s.number = begun_++;
    s.replies = 0;
    s.state = State::envelope;
    times_[s.number].begun = now();
    s.peer.queue("MAIL FROM:<bench@sender.test>\r\nRCPT TO:<rcpt@d" +
                 std::to_string(options_.first_domain + s.number % options_.domains) + ".test>\r\nDATA\r\n");
}

void Load::send(Sender& s) {
    if (s.peer.shaking) {
        if (s.peer.handshake() == Peer::Step::closed) die("the TLS handshake failed");
    } else if (s.peer.flush() == Peer::Step::closed && s.state != State::quit) {
        die("the relay closed a connection");
    }
    poll_.watch(s.peer, &s);
}

void Load::write_results() const {
    auto* file = std::fopen(options_.out.c_str(), "w");
    if (file == nullptr) die("can't write " + options_.out);
    for (std::size_t n = 0; n < times_.size(); ++n)
        std::fprintf(file, "%zu %lld %lld\n", n, static_cast<long long>(times_[n].begun),
                     static_cast<long long>(times_[n].accepted));
    std::fclose(file);
}

} // namespace

int run_load(int argc, char** argv) {
    Options options;
    for (int i = 0; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string value = argv[i + 1];
        if (name == "--to") options.to = value;
        if (name == "--port") options.port = std::stoi(value);
        if (name == "--out") options.out = value;
        if (name == "--connections") options.connections = std::stoul(value);
        if (name == "--messages") options.messages = std::stoul(value);
        if (name == "--size") options.size = std::stoul(value);
        if (name == "--domains") options.domains = std::stoul(value);
        if (name == "--first-domain") options.first_domain = std::stoul(value);
        if (name == "--first-number") options.first_number = std::stoul(value);
        if (name == "--rate") options.rate = std::stod(value);
        if (name == "--tls") options.tls = value == "yes";
    }
    Load(std::move(options)).run();
    return 0;
}

} // namespace bench
