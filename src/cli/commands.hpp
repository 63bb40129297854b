// What each subcommand was asked, as values; run.cpp fills them from the command line, one function each carries it out
// and answers the exit status.
#pragma once

#include "danelaw/store/queue.hpp"

#include <boost/json/value.hpp>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace danelaw::cli {

enum Exit : int { ok = 0, no = 1, usage = 2, unreachable = 3 };

inline constexpr const char* default_config = "/etc/danelaw/danelaw.yaml";

struct Console { // where a command speaks
    std::ostream& out;
    std::ostream& err;
};

// How a command finds the daemon: --admin, else --config, else the default file, else the default address.
struct Remote {
    std::string admin, config, token_file;
    bool json = false;
};

int config_check(const std::string& file, bool json, Console console);
int config_show(const std::string& file, bool json, Console console);

struct QueueList {
    Remote remote;
    std::string domain, sender, state, reason, host, older_than;
    std::uint64_t limit = 0; // 0: all
};
int queue_list(const QueueList& asked, Console console);

enum class Part { facts, headers, body };
int queue_show(const Remote& remote, const std::string& id, Part part, Console console);
int queue_trace(const Remote& remote, const std::string& id, Console console);

struct QueueAct {
    Remote remote;
    std::string action; // flush hold release delete bounce
    std::vector<std::string> ids;
    std::string domain, sender, state, reason, host, older_than;
    std::string text, status; // bounce
    bool all = false, dry_run = false;
    bool wait = false;     // flush: until each was tried
    bool arrivals = false; // hold, release: also what comes later
};
int queue_holds(const Remote& remote, Console console);
int queue_act(const QueueAct& asked, Console console);

struct QueueMigrate {
    std::string config, from, to; // sqlite, postgres
    bool json = false;
};
int queue_migrate(const QueueMigrate& asked, Console console);

int status(const Remote& remote, Console console);
int tlsrpt_show(const Remote& remote, const std::string& day, Console console);
int tlsrpt_send(const Remote& remote, const std::string& day, bool dry_run, Console console);
int version(bool json, Console console);

struct Check {
    std::string domain, config, mx;
    bool no_probe = false, json = false;
};
int check(const Check& asked, Console console);

struct TlsaGenerate {
    std::string cert, key, pubkey, host;
    unsigned port = 25, usage = 3, matching = 1;
    std::optional<unsigned> selector; // default by usage (DANE-146)
    bool json = false;
};
int tlsa_generate(const TlsaGenerate& asked, Console console);

struct TlsaVerify {
    std::vector<std::string> names, records;
    std::string chain;
    std::optional<std::int64_t> at;
    bool json = false;
};
int tlsa_verify(const TlsaVerify& asked, Console console);

struct TlsaRollover {
    std::string host, new_cert, new_key, current_cert, config;
    unsigned port = 25;
    std::optional<std::string> new_ttl; // duration
    bool json = false;
};
int tlsa_rollover(const TlsaRollover& asked, Console console);

// -- rendering (text.cpp): the same JSON for people

std::string age_text(std::int64_t seconds);
void render_message(std::ostream& out, const boost::json::object& message, Time now);
void render_detail(std::ostream& out, const boost::json::object& message, Time now);
void render_trace(std::ostream& out, const boost::json::object& trace, Time now);
void render_check(std::ostream& out, const boost::json::object& check);
void render_status(std::ostream& out, const boost::json::object& status);

} // namespace danelaw::cli
