#include "report_support.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>

namespace danelaw::report {

World::World() {
    folder = (std::filesystem::temp_directory_path() / "danelaw-report-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) std::abort();
    const std::string file = folder + "/key";
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    FILE* out = std::fopen(file.c_str(), "w");
    PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    EVP_PKEY_free(key);
    keys = *dkim::Keys::load({{"relay.test", "s", file}});
    settings.hostname = "relay.test";
    settings.postmaster = "postmaster@relay.test";
    settings.tlsrpt.from = "tls@relay.test";
    open();
}

World::~World() {
    close();
    std::filesystem::remove_all(folder);
}

void World::open() {
    store::EmbeddedOptions options;
    options.directory = folder + "/queue";
    options.ballast = 0;
    auto opened = store::open_embedded(std::move(options));
    ASSERT_TRUE(opened) << opened.error().detail;
    queue = std::move(opened->queue);
    counter = std::make_unique<TlsCounter>(io.get_executor(), *queue, resolver, log, clock);
    TlsReporter::Parts parts{io.get_executor(),
                             *queue,
                             resolver,
                             tls,
                             log,
                             clock,
                             *counter,
                             [this] { return std::make_shared<const config::Settings>(settings); },
                             [this] { return keys; },
                             [this](std::vector<store::Job> more) {
                                 for (auto& job : more) jobs.push_back(std::move(job));
                             }};
    reporter = std::make_unique<TlsReporter>(std::move(parts));
}

void World::close() {
    if (!queue) return;
    run(counter->save());
    crash();
}

void World::crash() {
    reporter.reset();
    counter.reset();
    queue->stop();
    queue.reset();
}

void World::run(Task<void> task) {
    bool over = false;
    auto done = [&over](std::exception_ptr error) {
        if (error) std::rethrow_exception(error);
        over = true;
    };
    boost::asio::co_spawn(io, std::move(task), std::move(done));
    io.restart();
    while (!over) io.run_one();
}

void World::count(tlsrpt::Session one, int times) {
    for (int i = 0; i < times; ++i) counter->count(one);
}

boost::json::array World::show(const std::string& day) {
    return run(reporter->show(day)).value().as_array();
}
boost::json::array World::send(const std::string& day) {
    return run(reporter->send(day, TlsReporter::Sending::now)).value().as_array();
}
boost::json::array World::rehearse(const std::string& day) {
    return run(reporter->send(day, TlsReporter::Sending::dry_run)).value().as_array();
}

std::vector<store::Message> World::queued() {
    return run(queue->list({}, 100, "")).value();
}

void World::record(const store::Message& message, message::RecipientState state) {
    store::Record record;
    record.id = message.envelope.id;
    store::RecipientUpdate update;
    update.state = state;
    update.next_attempt = clock.at + minutes(5);
    update.outcome.emplace();
    update.outcome->text = "because";
    record.updates.push_back(update);
    const auto recorded = run(queue->record(std::move(record)));
    ASSERT_TRUE(recorded) << recorded.error().detail;
}

tlsrpt::Session session(const std::string& domain, const std::string& result) {
    tlsrpt::Session out;
    out.next_hop = domain;
    out.policy_type = tlsrpt::PolicyType::tlsa;
    out.policy_domain = "mx." + domain;
    out.policy_string = {"3 1 1 ab"};
    out.receiving_mx_hostname = "mx." + domain;
    out.result_type = result;
    return out;
}

} // namespace danelaw::report
