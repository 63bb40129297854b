#include "store/store_support.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace danelaw::store {
namespace {

const std::string binaries = "/usr/lib/postgresql/15/bin/";

// PostgreSQL refuses to run as root: then as the user that its package made.
int as_postgres(std::vector<std::string> arguments) {
    if (::geteuid() == 0) {
        std::vector<std::string> front{"setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"};
        arguments.insert(arguments.begin(), front.begin(), front.end());
    }
    std::vector<char*> argv;
    for (auto& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    pid_t pid = ::fork();
    if (pid == 0) {
        int null = ::open("/dev/null", O_RDWR);
        for (int fd : {0, 1, 2}) ::dup2(null, fd);
        (void)!::chdir("/");
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class PostgresWorld final : public World {
  public:
    PostgresWorld() {
        if (why_not().empty()) conninfo_ = PostgresServer::instance().new_database();
    }
    std::string why_not() const override { return PostgresServer::instance().why(); }
    std::unique_ptr<Queue> open(std::size_t traces_most) override {
        PostgresOptions options;
        options.conninfo = conninfo_;
        options.owner = "relay-a";
        options.traces_most = traces_most;
        auto opened = open_shared(std::move(options));
        if (!opened) throw std::runtime_error(opened.error().detail);
        return std::move(opened->queue);
    }
    // A server process tells its counts when it ends, a moment after its client has gone.
    std::int64_t effort() override {
        auto& server = PostgresServer::instance();
        while (server.number(conninfo_, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                                        "pid <> pg_backend_pid() AND backend_type = 'client backend'") > 0) {
        }
        return server.number(conninfo_,
                             "SELECT (SELECT coalesce(sum(seq_tup_read + idx_tup_fetch + n_tup_upd), 0) FROM "
                             "pg_stat_user_tables WHERE schemaname = 'danelaw') + (SELECT "
                             "coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE schemaname = "
                             "'danelaw')");
    }

  private:
    std::string conninfo_;
};

} // namespace

PostgresServer& PostgresServer::instance() {
    static PostgresServer server;
    return server;
}

PostgresServer::PostgresServer() {
    if (::access((binaries + "initdb").c_str(), X_OK) != 0) {
        why_ = "PostgreSQL 15 is not installed";
        return;
    }
    std::string name = "/tmp/danelaw-pg-XXXXXX"; // short: a socket's path has 107 octets at most
    if (::mkdtemp(name.data()) == nullptr) {
        why_ = "no temporary directory";
        return;
    }
    directory_ = name;
    if (::geteuid() == 0) {
        const passwd* user = ::getpwnam("postgres");
        if (user == nullptr || ::chown(name.c_str(), user->pw_uid, user->pw_gid) != 0) why_ = "no user postgres";
    }
    auto data = directory_ + "/data";
    if (why_.empty() && as_postgres({binaries + "initdb", "-D", data, "-A", "trust", "-U", "dl", "--no-sync",
                                     "--no-locale", "-E", "UTF8"}) != 0)
        why_ = "initdb failed";
    auto settings = "-c listen_addresses='' -c unix_socket_directories='" + directory_ +
                    "' -c shared_buffers=64MB -c max_connections=60";
    if (why_.empty() &&
        as_postgres({binaries + "pg_ctl", "-D", data, "-w", "-l", directory_ + "/log", "-o", settings, "start"}) != 0)
        why_ = "PostgreSQL did not start";
}

PostgresServer::~PostgresServer() {
    if (directory_.empty()) return;
    as_postgres({binaries + "pg_ctl", "-D", directory_ + "/data", "-m", "immediate", "-w", "stop"});
    std::error_code ec;
    std::filesystem::remove_all(directory_, ec);
}

std::string PostgresServer::new_database() {
    auto name = "q" + std::to_string(++databases_);
    sql("host=" + directory_ + " user=dl dbname=postgres", "CREATE DATABASE " + name);
    return "host=" + directory_ + " user=dl dbname=" + name;
}

void PostgresServer::sql(const std::string& conninfo, const std::string& statement) {
    (void)number(conninfo, statement);
}

std::int64_t PostgresServer::number(const std::string& conninfo, const std::string& question) {
    PGconn* c = PQconnectdb(conninfo.c_str());
    PGresult* r = PQexec(c, question.c_str());
    const auto status = PQresultStatus(r);
    const std::string error = PQerrorMessage(c);
    const bool row = status == PGRES_TUPLES_OK && PQntuples(r) > 0;
    const auto answer = row ? std::strtoll(PQgetvalue(r, 0, 0), nullptr, 10) : 0;
    PQclear(r);
    PQfinish(c);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) throw std::runtime_error(error);
    return answer;
}

std::unique_ptr<World> postgres_world() {
    return std::make_unique<PostgresWorld>();
}

} // namespace danelaw::store
