// Showing that this relay lives. See heartbeat.hpp.
#include "heartbeat.hpp"

#include "shared.hpp"

#include <algorithm>
#include <ctime>

namespace danelaw::store {
namespace {

constexpr int beats_a_lease = 5;

std::int64_t since_boot() {
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t); // also counts while the machine sleeps, as the server's clock does
    return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

} // namespace

Heartbeat::Heartbeat(std::string conninfo, std::string owner, Millis lease)
    : conninfo_(std::move(conninfo)), owner_(std::move(owner)), lease_(lease) {
    beat();
    thread_ = std::thread(&Heartbeat::run, this);
}

Heartbeat::~Heartbeat() {
    {
        std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    stop_.notify_one();
    if (thread_.joinable()) thread_.join();
}

bool Heartbeat::sure_of(std::uint64_t fence) const {
    return since_boot() < sure_until_ && fence >= floor_;
}

std::string Heartbeat::trouble() const {
    std::scoped_lock lock(mutex_);
    return trouble_;
}

void Heartbeat::beat() {
    if (!connection_ || !connection_->alive()) {
        connection_.reset();
        connection_ = connect_shared(conninfo_);
        connection_->set_limit(std::clamp<Millis>(lease_ / 2, std::chrono::seconds(2), std::chrono::seconds(10)));
        check_version(*connection_);
        connection_->execute("SET synchronous_commit = off"); // a beat lost in a crash of the server harms nobody
    }
    const auto sent = since_boot();
    auto rows = connection_->query("SELECT o_floor, o_relays FROM beat($1::text, $2::bigint)",
                                   Params().text(owner_).number(lease_.count()));
    floor_ = static_cast<std::uint64_t>(rows.number(0, 0)); // first: what is sure afterwards was claimed after it
    relays_ = static_cast<std::size_t>(std::max<std::int64_t>(1, rows.number(0, 1)));
    sure_until_ = sent + lease_.count();
}

void Heartbeat::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        const auto pause =
            trouble_.empty() ? lease_ / beats_a_lease : std::min<Millis>(lease_ / beats_a_lease, Millis(500));
        if (stop_.wait_for(lock, std::max<Millis>(pause, Millis(1)), [this] { return stopping_; })) break;
        lock.unlock();
        std::string trouble;
        try {
            beat();
        } catch (const PgError& e) {
            trouble = e.detail;
            connection_.reset();
        }
        lock.lock();
        trouble_ = std::move(trouble);
    }
}

} // namespace danelaw::store
