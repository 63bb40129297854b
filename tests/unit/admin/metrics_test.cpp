// Are the metrics well formed, few, and the same as what was counted? promtool's judgement:
// tests/integration/api_test.py.
#include "danelaw/admin/views.hpp"

#include <gmock/gmock.h>

namespace danelaw::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

StatusFacts facts() {
    StatusFacts f;
    f.now = f.started = Time(Seconds(1'700'000'000));
    return f;
}

TEST(Metrics, HistogramsAreCumulative) {
    store::Queue::Stats store;
    store.commits_of_size = {5, 0, 2};
    store.commits_of_us[2] = 7;
    store.operations = 11;
    store.commit_us = 3000;
    const std::string text = metrics_text(facts(), store);
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_operations_bucket{le=\"1\"} 5\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_operations_bucket{le=\"2\"} 5\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_operations_bucket{le=\"4\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_operations_bucket{le=\"+Inf\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_operations_sum 11\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_seconds_bucket{le=\"0.00025\"} 0\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_seconds_bucket{le=\"0.0005\"} 7\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_store_commit_seconds_sum 0.003\n"));
}

TEST(Metrics, LabelsAreWordsOfTheContractOrOther) {
    StatusFacts f = facts();
    f.counters.outcomes[{"deferred", "tlsa-invalid", "none"}] = 3;
    f.counters.outcomes[{"delivered", "", "dane-ee"}] = 2;
    f.counters.outcomes[{"deferred", "what\"\nis this", "none"}] = 1;
    f.reasons = {{"", 1, 4}, {"dns-error", 2, 5}};
    const std::string text = metrics_text(f, {});
    EXPECT_THAT(text,
                HasSubstr(R"(danelaw_outcomes_total{result="deferred",reason="tlsa-invalid",tls_level="none"} 3)"));
    EXPECT_THAT(text, HasSubstr(R"(danelaw_outcomes_total{result="delivered",reason="none",tls_level="dane-ee"} 2)"));
    EXPECT_THAT(text, HasSubstr(R"(danelaw_outcomes_total{result="deferred",reason="other",tls_level="none"} 1)"));
    EXPECT_THAT(text, Not(HasSubstr("is this")));
    EXPECT_THAT(text, HasSubstr(R"(danelaw_queue_waiting{reason="none"} 4)"));
    EXPECT_THAT(text, HasSubstr(R"(danelaw_queue_waiting{reason="dns-error"} 5)"));
}

TEST(Metrics, PoliciesThatEndSayWhen) {
    using namespace std::chrono;
    StatusFacts f = facts();
    f.policies.resize(2);
    f.policies[1].match = {"a.test", ".b.test"};
    f.policies[1].until = 2027y / January / 31;
    const std::string text = metrics_text(f, {});
    // The day itself still counts.
    EXPECT_THAT(text,
                HasSubstr(R"(danelaw_policy_end_timestamp_seconds{entry="1",match="a.test .b.test"} 1801440000)"));
    EXPECT_THAT(text, Not(HasSubstr("entry=\"0\"")));
}

TEST(Metrics, ConnectionsAndHandshakes) {
    StatusFacts f = facts();
    f.connections.opened = 10;
    f.connections.reused = 90;
    f.connections.handshakes = 8;
    f.connections.open = 3;
    f.connections.idle = 2;
    const std::string text = metrics_text(f, {});
    EXPECT_THAT(text, HasSubstr("danelaw_connections_reused_total 90\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_handshakes_total 8\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_connections_open{state=\"busy\"} 1\n"));
    EXPECT_THAT(text, HasSubstr("danelaw_connections_open{state=\"idle\"} 2\n"));
}

} // namespace
} // namespace danelaw::admin
