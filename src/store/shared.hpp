// The queue on PostgreSQL, shared by several relays: any of them may die without taking mail along. A claimed recipient
// has an owner, which holds it as long as it shows itself (heartbeat.hpp), and a fencing token that grows with every
// claim: what an earlier holder records is stale (DQ-006).
#pragma once

#include "backend.hpp"
#include "claims.hpp"
#include "codec.hpp"
#include "heartbeat.hpp"
#include "postgres.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <unordered_map>

namespace danelaw::store {

inline constexpr std::int64_t shared_version = 4;
const char* shared_step(std::int64_t version); // SQL that makes a queue of the version before into one of this
extern const char* const shared_functions;

// A connection set up as all of ours are: own schema, a commit is on disk when it returns.
std::unique_ptr<PgConnection> connect_shared(const std::string& conninfo);
// Creates the schema or brings it to our version, under a lock. Throws PgError (config): a newer one, which is not
// touched; an older one that relays still work on.
void migrate_schema(PgConnection& c);
// Throws PgError (config) when another version is there now.
void check_version(PgConnection& c);

class Shared final : public Backend {
  public:
    // Connects, creates or migrates the schema. Throws PgError.
    explicit Shared(PostgresOptions options);
    ~Shared() override; // gives its leases back

    Result<void> commit(std::span<Op* const> batch) override;
    void serve(Op& op) override;
    std::optional<Millis> housekeep(Millis rested) override;
    bool failed() const override { return false; } // the server decides about its disk; we connect again
    bool sure_of(const std::vector<Job>& jobs) const override;
    std::size_t relays() const override { return heartbeat_->relays(); }
    Millis look_again() const override { return options_.lease / 3; }
    std::string trouble() const override { return heartbeat_->trouble(); }
    std::vector<std::string> known_damage() override;
    Result<std::unique_ptr<View>> view() override;

  private:
    using Steady = std::chrono::steady_clock;
    struct Appended { // pieces may come in any order: the first one, with our trace fields, comes last
        std::map<std::uint32_t, Bytes> pieces;
        bool whole() const { return pieces.empty() || pieces.rbegin()->first + 1 == pieces.size(); }
    };
    PgConnection& connection(); // connects again when needed; throws while the server is away
    void connect();
    void lost(const PgError& e);
    void reconcile(PgConnection& c);

    // One op's statements sent; what it is told is read by the receiving half, in the same order.
    void send(PgConnection& c, Op& op);
    void send(PgConnection& c, AddWork& work, Op& op);
    void send(PgConnection& c, RecordWork& work);
    void send(PgConnection& c, CountWork& work);
    void receive(PgConnection& c, Op& op);
    void receive(PgConnection& c, AddWork& work, Op& op);
    void receive(PgConnection& c, RecordWork& work, Op& op);
    Result<Params> message_params(const NewMessage& message, Claiming claiming, bool notice);
    void committed(Op& op);
    void act(PgConnection& c, ActWork& work);
    using Changed = std::map<std::string, Numbers>; // by message
    Changed changed_by(PgConnection& c, const ActWork& work, const std::vector<std::string>& ids);

    void claim(PgConnection& c, ClaimWork& work);
    void release(PgConnection& c, const std::vector<Job>& jobs);
    Result<void> renew(PgConnection& c, const std::vector<Job>& jobs);
    bool purge(PgConnection& c);

    PostgresOptions options_;
    std::unique_ptr<Heartbeat> heartbeat_;
    std::unique_ptr<PgConnection> connection_;
    std::vector<std::string> unsure_; // added in a commit whose answer was lost; answered as not added
    bool doubt_ = false;              // the server may hold for us what we don't know of
    Claims claims_;                   // how many jobs of a domain this relay works on
    std::unordered_map<std::string, Appended> appended_;
    Steady::time_point next_try_{}, next_tidy_{};
    Millis backoff_{};
    std::int64_t latest_ = 0;
    std::size_t finished_since_purge_ = 0;
};

std::int64_t claim_key(const std::string& id); // a message's, in Claims

// SQL that chooses queued messages as Filter says; the parameters it needs are appended to `params`.
std::string shared_where(const Filter& filter, const std::string& after, Params& params);
// … and of their recipients, those the filter concerns. `r` is the alias.
std::string shared_concerns(const Filter& filter, Params& params);

} // namespace danelaw::store
