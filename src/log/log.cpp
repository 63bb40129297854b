// Where events go: standard error, the journal, or a file that can be reopened. One event is one write(2), so a reader
// that follows the file sees whole lines at once. Safe from any thread.
#include "danelaw/log/log.hpp"

#include "danelaw/log/format.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

namespace danelaw::log {
namespace {

namespace json = boost::json;

int priority(Level level) {
    switch (level) {
    case Level::debug: return LOG_DEBUG;
    case Level::info: return LOG_INFO;
    case Level::warn: return LOG_WARNING;
    case Level::error: return LOG_ERR;
    }
    return LOG_INFO;
}

iovec part(const std::string& s) {
    return {const_cast<char*>(s.data()), s.size()};
}

// The journal keeps what one most often selects by as fields of their own: journalctl DANELAW_ID=…
void to_journal(Level level, std::string_view name, const json::object& fields, std::string line) {
    if (!line.empty() && line.back() == '\n') line.pop_back();
    std::string message = "MESSAGE=" + line;
    std::string urgency = "PRIORITY=" + std::to_string(priority(level));
    std::string event = "DANELAW_EVENT=" + std::string(name);
    std::string ident = "SYSLOG_IDENTIFIER=danelaw";
    std::string id;
    iovec parts[5] = {part(message), part(urgency), part(event), part(ident), {}};
    int count = 4;
    if (const json::value* v = fields.if_contains("id"); v != nullptr && v->is_string()) {
        id = "DANELAW_ID=" + std::string(std::string_view(v->get_string()));
        parts[count++] = part(id);
    }
    (void)sd_journal_sendv(parts, count);
}

class Writer final : public Log {
  public:
    explicit Writer(Options options) { reopen(std::move(options)); }
    ~Writer() override { close_file(); }

    bool enabled(Level level) const override { return level >= level_.load(std::memory_order_relaxed); }

    void event(Level level, std::string_view name, json::object fields) override {
        if (!enabled(level)) return;
        const Time now = SystemClock().now();
        const std::lock_guard guard(mutex_);
        line_.clear();
        append_line(line_, journal_ ? Format::text : options_.format, now, level, name, fields);
        if (journal_) {
            to_journal(level, name, fields, line_);
        } else {
            write_all(line_);
        }
        if (line_.capacity() > 64 * 1024) line_.shrink_to_fit();
    }

    void reopen(Options options) override {
        int problem = 0;
        {
            const std::lock_guard guard(mutex_);
            close_file();
            options_ = std::move(options);
            level_.store(options_.level, std::memory_order_relaxed);
            journal_ = options_.target == "journald";
            if (!journal_ && options_.target != "stderr") problem = open_file();
        }
        if (problem != 0) {
            event(Level::error, "log-target", {{"target", options_.target}, {"text", std::strerror(problem)}});
        }
    }

  private:
    // A file that can't be opened must not silence the daemon: then events go to standard error.
    int open_file() {
        const int fd = ::open(options_.target.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0) return errno;
        fd_ = fd;
        return 0;
    }

    void close_file() {
        if (fd_ != STDERR_FILENO) ::close(fd_);
        fd_ = STDERR_FILENO;
    }

    void write_all(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return; // disk full or reader gone: a log line is never worth stopping mail for
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }

    std::mutex mutex_;
    Options options_;
    std::atomic<Level> level_ = Level::info;
    bool journal_ = false;
    int fd_ = STDERR_FILENO;
    std::string line_;
};

} // namespace

std::unique_ptr<Log> make(Options options) {
    return std::make_unique<Writer>(std::move(options));
}

} // namespace danelaw::log
