#include "store/store_support.hpp"

#include <atomic>
#include <cstdlib>
#include <sqlite3.h>

namespace danelaw::store {

TempDirectory::TempDirectory(Where where) {
    bool memory = where == Where::memory && std::filesystem::exists("/dev/shm");
    auto base = memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    std::string name = (base / "danelaw-store-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path = name;
}

TempDirectory::~TempDirectory() {
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
}

Time at(std::int64_t seconds) {
    return Time(Seconds(1'800'000'000 + seconds));
}

NewMessage sample(const std::vector<std::string>& addresses, Time received, std::string content) {
    static std::atomic<std::int64_t> counter = 0;
    NewMessage m;
    auto& e = m.message.envelope;
    e.id = new_queue_id(received + Millis(counter++ % 1000));
    e.reverse_path = "sender@example.org";
    e.received_at = received;
    e.client.helo = "client.example.org";
    e.client.protocol = "ESMTP";
    e.content.size = content.size();
    m.content = std::move(content);
    for (const auto& address : addresses) {
        message::Recipient r;
        r.number = static_cast<std::uint32_t>(m.message.recipients.size());
        r.address = address;
        r.domain = address.substr(address.rfind('@') + 1);
        r.next_attempt = received;
        m.message.recipients.push_back(std::move(r));
    }
    return m;
}

std::string id_of(const NewMessage& message) {
    return message.message.envelope.id;
}

RecipientUpdate update(std::uint32_t number, message::RecipientState state, Time next, Reason reason) {
    RecipientUpdate u;
    u.number = number;
    u.state = state;
    u.next_attempt = next;
    message::Outcome outcome;
    outcome.reason = reason;
    outcome.host = "mx.example.com";
    outcome.text = "words of the server";
    outcome.verdict = state == message::RecipientState::delivered ? Verdict::delivered
                      : state == message::RecipientState::bounced ? Verdict::bounced
                                                                  : Verdict::deferred;
    u.outcome = outcome;
    return u;
}

Record record_of(const std::string& id, std::vector<RecipientUpdate> updates, std::vector<std::string> attempts) {
    Record r;
    r.id = id;
    r.updates = std::move(updates);
    r.attempts = std::move(attempts);
    return r;
}

ClaimRequest claim_at(Time now, std::size_t limit, std::size_t per_domain) {
    ClaimRequest r;
    r.now = now;
    r.limit = limit;
    r.per_domain = per_domain;
    return r;
}

Filter everything() {
    Filter f;
    f.all = true;
    return f;
}

namespace {

std::atomic<std::int64_t> sqlite_steps = 0;

int count_steps(unsigned, void*, void* statement, void*) {
    sqlite_steps += sqlite3_stmt_status(static_cast<sqlite3_stmt*>(statement), SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}
int watch(sqlite3* db, const char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, nullptr);
}

class EmbeddedWorld final : public World {
  public:
    std::unique_ptr<Queue> open(std::size_t traces_most) override {
        EmbeddedOptions options;
        options.directory = directory_.path;
        options.ballast = 64 << 10;
        options.traces_most = traces_most;
        sqlite3_auto_extension(reinterpret_cast<void (*)()>(watch)); // every connection from now on, once
        auto opened = open_embedded(std::move(options));
        if (!opened) throw std::runtime_error(opened.error().detail);
        return std::move(opened->queue);
    }
    std::int64_t effort() override { return sqlite_steps; }

  private:
    TempDirectory directory_;
};

} // namespace

std::unique_ptr<World> embedded_world() {
    return std::make_unique<EmbeddedWorld>();
}

} // namespace danelaw::store
