// What becomes of mail when something of ours goes wrong: a bug on the way, a clock that was wrong.
#include "danelaw/delivery/agent.hpp"

#include "world.hpp"

#include "danelaw/base/id.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/value_to.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <stdexcept>
#include <stdlib.h>

namespace danelaw::delivery::test {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct MovedClock final : Clock {
    Millis ahead{};
    Time now() const override { return SystemClock().now() + ahead; }
};

struct Event {
    std::string name;
    boost::json::object fields;
};

// Keeps the events, and tells of each.
struct Kept final : log::Log {
    std::vector<Event> events;
    std::function<void(const Event&)> on_event;
    void event(log::Level, std::string_view name, boost::json::object fields) override {
        events.push_back({std::string(name), std::move(fields)});
        if (on_event) on_event(Event(events.back()));
    }
    bool enabled(log::Level) const override { return true; }
    void reopen(log::Options) override {}
    std::size_t count(std::string_view name) const {
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(), [&](const Event& e) { return e.name == name; }));
    }
};

struct Faulty final : Reporter {
    int faults = 0;
    int asked = 0;
    Task<NoticeSet> notices(const store::Message&, std::vector<store::RecipientUpdate>&, Time, Millis) override {
        ++asked;
        if (faults-- > 0) throw std::runtime_error("broken");
        co_return NoticeSet{};
    }
};

struct AgentTest : testing::Test {
    AgentTest() {
        std::string name = std::filesystem::temp_directory_path() / "danelaw-agent-XXXXXX";
        directory = ::mkdtemp(name.data());
        settings->queue.retry = {10ms};
        settings->hostname = "relay.example";
        store::EmbeddedOptions options;
        options.directory = directory;
        options.ballast = 0;
        auto opened = store::open_embedded(options);
        EXPECT_TRUE(opened);
        queue = std::move(opened->queue);
    }
    ~AgentTest() override {
        queue->stop();
        queue.reset();
        std::filesystem::remove_all(directory);
    }

    // A message to somebody of a domain that does not exist; `greylisted`: and to another, who was put off before.
    Task<std::vector<store::Job>> add(Time due, store::Claiming claiming, bool greylisted = false) {
        store::NewMessage mail;
        auto& envelope = mail.message.envelope;
        envelope.received_at = clock.now();
        envelope.id = new_queue_id(envelope.received_at);
        envelope.reverse_path = "a@client.example";
        message::Recipient r;
        r.address = "b@nowhere.example";
        r.domain = "nowhere.example";
        r.next_attempt = due;
        mail.message.recipients = {r};
        if (greylisted) {
            r.number = 1;
            r.last.emplace();
            r.last->reason = Reason::smtp_reply;
            mail.message.recipients.push_back(r);
        }
        mail.content = "Subject: x\r\n\r\nbody\r\n";
        auto jobs = co_await queue->add(std::move(mail), claiming);
        EXPECT_TRUE(jobs);
        co_return jobs.value_or(std::vector<store::Job>());
    }

    // Starts an agent on what `start` has done, until the message is gone or finish() is called.
    void play(Task<void> (*start)(AgentTest&)) {
        Agent::Parts parts{io.get_executor(), *queue, router, tls, reporter, log, clock, [this] { return settings; }};
        agent.emplace(std::move(parts));
        log.on_event = [this](const Event& e) {
            if (watch) watch(e);
            if (!done && e.name == "removed") finish();
        };
        const auto fine = [](std::exception_ptr e) {
            if (e) std::rethrow_exception(e);
        };
        asio::co_spawn(io, start(*this), [this, fine](std::exception_ptr e) {
            fine(e);
            asio::co_spawn(io, agent->run(), fine);
        });
        io.run_for(30s);
        EXPECT_TRUE(done) << "nothing came of it";
        agent.reset();
    }
    void finish() {
        done = true;
        asio::co_spawn(io, agent->drain(net::deadline_after(5s)), [this](std::exception_ptr) { io.stop(); });
    }

    std::string directory;
    asio::io_context io;
    World world;
    MovedClock clock;
    Kept log;
    Faulty reporter;
    SeededRng rng{1};
    tls::Client tls;
    Router router{world, nullptr, clock, rng, {}};
    std::shared_ptr<config::Settings> settings = std::make_shared<config::Settings>();
    std::unique_ptr<store::Queue> queue;
    std::optional<Agent> agent;
    std::function<void(const Event&)> watch;
    bool done = false;
};

// The message stays in the queue, its lane works on, and the sender hears of the failure in the end.
TEST_F(AgentTest, ABugCostsAnAttempt) {
    reporter.faults = 1;
    play([](AgentTest& t) -> Task<void> {
        auto jobs = co_await t.add(t.clock.now(), store::Claiming::now);
        t.agent->accepted(std::move(jobs));
    });
    EXPECT_EQ(log.count("bug"), 1u);
    EXPECT_EQ(reporter.asked, 2);
    EXPECT_EQ(log.count("removed"), 1u);
}

// Held while its job waits for its turn, then released: it must not have been forgotten, claimed and with nobody.
TEST_F(AgentTest, WhoIsHeldBetweenClaimAndAttemptComesBackWhenReleased) { // DQ-006
    watch = [this](const Event& e) {
        if (e.name != "recipient" || log.count("recipient") != 1) return;
        const auto let_go = [](AgentTest& t) -> Task<void> {
            store::Filter all;
            all.domain = "nowhere.example";
            EXPECT_EQ((co_await t.queue->act(store::Queue::Action::release, all, t.clock.now()))->recipients, 1u);
            t.agent->wake(Agent::Wake::due);
        };
        asio::co_spawn(io, let_go(*this), [](std::exception_ptr) {});
    };
    play([](AgentTest& t) -> Task<void> {
        auto jobs = co_await t.add(t.clock.now(), store::Claiming::now, true);
        store::Filter filter;
        filter.reason = "smtp-reply";
        EXPECT_EQ((co_await t.queue->act(store::Queue::Action::hold, filter, t.clock.now()))->recipients, 1u);
        t.agent->accepted(std::move(jobs));
    });
    EXPECT_EQ(log.count("recipient"), 2u);
    EXPECT_EQ(log.count("removed"), 1u);
}

TEST_F(AgentTest, MailThatAWrongClockPutFarAwayIsDueAtAStart) { // DQ-012
    play([](AgentTest& t) -> Task<void> { (void)co_await t.add(t.clock.now() + 24h * 365, store::Claiming::later); });
    EXPECT_EQ(log.count("removed"), 1u);
}

TEST_F(AgentTest, MailPutOffUnderAWrongClockComesBackWithIt) { // DQ-012, H128
    settings->queue.retry = {1h};
    world.zone["nowhere.example"].failing["MX"] = dns::Status::error;
    watch = [this](const Event& e) {
        if (e.name != "recipient") return;
        const auto next = parse_rfc3339(std::string(e.fields.at("next_attempt").as_string()));
        if (log.count("recipient") == 1) { // put off by an hour, ten days from now
            EXPECT_GT(*next, clock.now());
            clock.ahead = 0ms;
            agent->wake(Agent::Wake::due);
        } else { // and looked at again at once, by the right clock
            EXPECT_LT(*next, clock.now() + 2h);
            finish();
        }
    };
    play([](AgentTest& t) -> Task<void> {
        t.clock.ahead = 240h;
        t.agent->wake(Agent::Wake::due);
        auto jobs = co_await t.add(t.clock.now(), store::Claiming::now);
        t.agent->accepted(std::move(jobs));
    });
    EXPECT_EQ(log.count("recipient"), 2u);
}

} // namespace
} // namespace danelaw::delivery::test
