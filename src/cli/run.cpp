// The tree of subcommands. The only place that knows the argument parser.
#include "danelaw/cli/run.hpp"

#include "commands.hpp"

#include "danelaw/base/time.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>

namespace danelaw::cli {
namespace {

// Each command adds itself and leaves what to do in `action`; the values it fills live as long as the tree.
class Tree {
  public:
    explicit Tree(const Hooks& hooks) : hooks_(hooks) {
        app_.require_subcommand(1);
        app_.set_version_flag("--version", "danelaw " DANELAW_VERSION);
        app_.set_help_all_flag("--help-all", "Help of every command");
        serve();
        config();
        queue();
        others();
        tlsa();
    }
    CLI::App& app() { return app_; }
    int act() const { return action_(); }

  private:
    template <class T> T& keep() {
        auto held = std::make_shared<T>();
        T& value = *held;
        kept_.push_back(std::move(held));
        return value;
    }
    CLI::App* command(CLI::App& in, const char* name, const char* help, std::function<int()> action) {
        CLI::App* sub = in.add_subcommand(name, help);
        sub->callback([this, action = std::move(action)] { action_ = action; });
        return sub;
    }
    static void json_flag(CLI::App* sub, bool& json) { sub->add_flag("--json", json, "JSON instead of text"); }
    static void remote_options(CLI::App* sub, Remote& r) {
        sub->add_option("--config", r.config, "configuration file that names the admin address")->type_name("FILE");
        sub->add_option("--admin", r.admin, "admin address: unix:/PATH or ADDRESS:PORT")->type_name("ADDRESS");
        sub->add_option("--token-file", r.token_file, "file with the admin token")->type_name("FILE");
        json_flag(sub, r.json);
    }
    static void config_option(CLI::App* sub, std::string& file) {
        file = default_config;
        sub->add_option("--config", file, "configuration file")->type_name("FILE")->capture_default_str();
    }

    void serve();
    void config();
    void queue();
    void queue_actions(CLI::App& queue);
    void others();
    void tlsa();

    CLI::App app_{"Danelaw: an outbound SMTP relay that enforces DANE", "danelaw"};
    const Hooks& hooks_;
    Console console_{std::cout, std::cerr};
    std::vector<std::shared_ptr<void>> kept_;
    std::function<int()> action_;
};

void Tree::serve() {
    auto& file = keep<std::string>();
    config_option(
        command(app_, "serve", "run the relay in the foreground", [this, &file] { return hooks_.serve(file); }), file);
}

void Tree::config() {
    CLI::App* sub = app_.add_subcommand("config", "check or show the configuration");
    sub->require_subcommand(1);
    struct Asked {
        std::string file;
        bool json = false;
    };
    auto& check = keep<Asked>();
    CLI::App* c = command(*sub, "check", "validate; each problem as FILE:LINE:COL: message",
                          [this, &check] { return config_check(check.file, check.json, console_); });
    config_option(c, check.file);
    json_flag(c, check.json);
    auto& show = keep<Asked>();
    CLI::App* s = command(*sub, "show", "the effective configuration as YAML, defaults filled in",
                          [this, &show] { return config_show(show.file, show.json, console_); });
    config_option(s, show.file);
    json_flag(s, show.json);
}

void Tree::queue() {
    CLI::App* sub = app_.add_subcommand("queue", "look at the queue and act on it");
    sub->require_subcommand(1);
    auto& list = keep<QueueList>();
    CLI::App* l = command(*sub, "list", "queued messages", [this, &list] { return queue_list(list, console_); });
    l->add_option("--domain", list.domain, "with recipients in this domain");
    l->add_option("--sender", list.sender, "from this sender");
    l->add_option("--state", list.state, "active, deferred or held")
        ->check(CLI::IsMember({"active", "deferred", "held"}));
    l->add_option("--reason", list.reason, "with this reason, e.g. dns-error");
    l->add_option("--mx", list.host, "last tried at this MX host; .NAME: any host below it");
    l->add_option("--older-than", list.older_than, "only older ones, e.g. 4h");
    l->add_option("--limit", list.limit, "at most this many");
    remote_options(l, list.remote);

    struct One {
        Remote remote;
        std::string id;
        bool headers = false, body = false;
    };
    auto& show = keep<One>();
    CLI::App* s = command(*sub, "show", "one message", [this, &show] {
        const Part part = show.headers ? Part::headers : show.body ? Part::body : Part::facts;
        return queue_show(show.remote, show.id, part, console_);
    });
    s->add_option("ID", show.id, "queue id")->required();
    auto* headers = s->add_flag("--headers", show.headers, "its header section");
    s->add_flag("--body", show.body, "its body")->excludes(headers);
    remote_options(s, show.remote);

    auto& trace = keep<One>();
    CLI::App* t = command(*sub, "trace", "every attempt with its DNS, TLS and SMTP facts",
                          [this, &trace] { return queue_trace(trace.remote, trace.id, console_); });
    t->add_option("ID", trace.id, "queue id; finished messages too, for a week")->required();
    remote_options(t, trace.remote);
    queue_actions(*sub);
    auto& holds = keep<Remote>();
    remote_options(command(*sub, "holds", "by which rules arriving mail is held (hold --new)",
                           [this, &holds] { return queue_holds(holds, console_); }),
                   holds);

    auto& move = keep<QueueMigrate>();
    CLI::App* m = command(*sub, "migrate", "move all queued mail to another store, while no relay runs",
                          [this, &move] { return queue_migrate(move, console_); });
    m->add_option("--from", move.from, "sqlite (queue.path) or postgres (queue.postgres)")
        ->required()
        ->check(CLI::IsMember({"sqlite", "postgres"}));
    m->add_option("--to", move.to, "postgres or sqlite")->required()->check(CLI::IsMember({"sqlite", "postgres"}));
    m->add_option("--config", move.config, "configuration file that names both")->type_name("FILE");
    json_flag(m, move.json);
}

void Tree::queue_actions(CLI::App& queue) {
    constexpr std::pair<const char*, const char*> actions[] = {
        {"flush", "try again at once"},
        {"hold", "keep until released"},
        {"release", "no longer held, and due at once"},
        {"delete", "remove without any report"},
        {"bounce", "return to the sender with a report"},
    };
    for (const auto& [name, help] : actions) {
        auto& asked = keep<QueueAct>();
        asked.action = name;
        CLI::App* a = command(queue, name, help, [this, &asked] { return queue_act(asked, console_); });
        a->add_option("ID", asked.ids, "queue ids");
        a->add_option("--domain", asked.domain, "all with recipients in this domain");
        a->add_option("--sender", asked.sender, "all from this sender");
        a->add_option("--state", asked.state, "only active, deferred or held ones")
            ->check(CLI::IsMember({"active", "deferred", "held"}));
        a->add_option("--reason", asked.reason, "only those with this reason");
        a->add_option("--mx", asked.host, "only those last tried at this MX host; .NAME: any host below it");
        a->add_option("--older-than", asked.older_than, "only older ones, e.g. 4h");
        a->add_flag("--all", asked.all, "everything");
        a->add_flag("--dry-run", asked.dry_run, "only count what it would touch");
        if (asked.action == "hold")
            a->add_flag("--new", asked.arrivals, "also what arrives later for that --domain or from that --sender");
        if (asked.action == "release") a->add_flag("--new", asked.arrivals, "and end a hold --new of the same words");
        if (asked.action == "flush")
            a->add_flag("--wait", asked.wait, "until each of them was tried; a bar shows how far it is");
        if (asked.action == "bounce") {
            a->add_option("--text", asked.text, "why, for the sender");
            a->add_option("--status", asked.status, "enhanced status code, e.g. 5.1.1")->capture_default_str();
        }
        remote_options(a, asked.remote);
    }
}

void Tree::others() {
    auto& asked = keep<Check>();
    CLI::App* c = command(app_, "check", "what delivery would do for a domain right now",
                          [this, &asked] { return check(asked, console_); });
    c->add_option("DOMAIN", asked.domain, "the recipients' domain")->required();
    c->add_option("--config", asked.config, "configuration file")->type_name("FILE");
    c->add_flag("--no-probe", asked.no_probe, "only look up; connect to nobody");
    c->add_option("--mx", asked.mx, "only this MX host")->type_name("HOST");
    json_flag(c, asked.json);
    auto& status_remote = keep<Remote>();
    remote_options(command(app_, "status", "one screen: queue, rates, TLS levels, recent failures",
                           [this, &status_remote] { return status(status_remote, console_); }),
                   status_remote);
    struct Report {
        Remote remote;
        std::string day;
        bool dry_run = false;
    };
    CLI::App* sub = app_.add_subcommand("tlsrpt", "TLS reports (RFC 8460)");
    sub->require_subcommand(1);
    auto& show = keep<Report>();
    CLI::App* s = command(*sub, "show", "the reports of a day",
                          [this, &show] { return tlsrpt_show(show.remote, show.day, console_); });
    s->add_option("--day", show.day, "YYYY-MM-DD; default: yesterday (UTC)");
    remote_options(s, show.remote);
    auto& send = keep<Report>();
    CLI::App* e = command(*sub, "send", "send the reports of a day now",
                          [this, &send] { return tlsrpt_send(send.remote, send.day, send.dry_run, console_); });
    e->add_option("--day", send.day, "YYYY-MM-DD; default: yesterday (UTC)");
    e->add_flag("--dry-run", send.dry_run, "show what would be sent");
    remote_options(e, send.remote);
    auto& json = keep<bool>();
    json_flag(command(app_, "version", "version, and those of the linked libraries",
                      [this, &json] { return version(json, console_); }),
              json);
}

void Tree::tlsa() {
    CLI::App* sub = app_.add_subcommand("tlsa", "make, verify and plan TLSA records");
    sub->require_subcommand(1);
    auto& made = keep<TlsaGenerate>();
    CLI::App* g = command(*sub, "generate", "the zone-file record for a certificate or key",
                          [this, &made] { return tlsa_generate(made, console_); });
    auto* source = g->add_option_group("source", "one of");
    source->add_option("--cert", made.cert, "certificate, PEM or DER")->type_name("FILE");
    source->add_option("--key", made.key, "private key, PEM or DER")->type_name("FILE");
    source->add_option("--pubkey", made.pubkey, "public key, PEM or DER")->type_name("FILE");
    source->require_option(1);
    g->add_option("--host", made.host, "the MX host's name")->required();
    g->add_option("--port", made.port)->check(CLI::Range(1, 65535))->capture_default_str();
    g->add_option("--usage", made.usage)->check(CLI::Range(0, 3))->capture_default_str();
    g->add_option("--selector", made.selector, "default: 1, with usage 2: 0")->check(CLI::Range(0, 1));
    g->add_option("--matching", made.matching)->check(CLI::Range(0, 2))->capture_default_str();
    json_flag(g, made.json);

    auto& verify = keep<TlsaVerify>();
    CLI::App* v = command(*sub, "verify", "offline: would this chain pass under these records?",
                          [this, &verify] { return tlsa_verify(verify, console_); });
    v->add_option("--name", verify.names, "base domain first, then further reference names")
        ->required()
        ->expected(1)
        ->take_all();
    v->add_option("--tlsa", verify.records, "\"U S M HEX\"")->required()->expected(1)->take_all();
    v->add_option("--chain", verify.chain, "PEM chain, leaf first")->required()->type_name("FILE");
    v->add_option("--at", verify.at, "at this time, seconds since 1970");
    json_flag(v, verify.json);

    auto& rollover = keep<TlsaRollover>();
    CLI::App* r =
        command(*sub, "rollover", "is a planned certificate covered by the published records, and what to do when",
                [this, &rollover] { return tlsa_rollover(rollover, console_); });
    r->add_option("--host", rollover.host, "the MX host's name")->required();
    r->add_option("--port", rollover.port)->check(CLI::Range(1, 65535))->capture_default_str();
    auto* planned = r->add_option_group("planned", "one of");
    planned->add_option("--new-cert", rollover.new_cert, "planned chain, leaf first, PEM; or a DER certificate")
        ->type_name("FILE");
    planned->add_option("--new-key", rollover.new_key, "planned private key, PEM or DER")->type_name("FILE");
    planned->require_option(1);
    r->add_option("--current-cert", rollover.current_cert, "chain in use now, leaf first")->type_name("FILE");
    r->add_option("--new-ttl", rollover.new_ttl,
                  "TTL of the records to be published, like 1h; default: that of today's");
    r->add_option("--config", rollover.config, "configuration file with the dns: settings to use")->type_name("FILE");
    json_flag(r, rollover.json);
}

} // namespace

int run(int argc, const char* const* argv, const Hooks& hooks) {
    Tree tree(hooks);
    try {
        tree.app().parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        // Help and version are no errors; everything else is wrong usage.
        return tree.app().exit(e) == 0 ? Exit::ok : Exit::usage;
    }
    return tree.act();
}

} // namespace danelaw::cli
