// The suite that every store must pass, run once for each of them.
#pragma once

#include "store/store_support.hpp"

namespace danelaw::store {

using message::RecipientState;

struct Kind {
    const char* name;
    std::unique_ptr<World> (*make)();
};
inline const Kind kinds[] = {{"sqlite", embedded_world}, {"postgres", postgres_world}};

class Conformance : public ::testing::TestWithParam<Kind> {
  protected:
    void SetUp() override {
        world = GetParam().make();
        if (auto why = world->why_not(); !why.empty()) GTEST_SKIP() << why;
        queue = world->open();
    }
    void restart() {
        queue.reset();
        queue = world->open();
    }
    std::vector<Job> add(const NewMessage& message, Claiming claiming = Claiming::now) {
        auto jobs = run(queue->add(message, claiming));
        EXPECT_TRUE(jobs) << (jobs ? "" : jobs.error().detail);
        return jobs.value_or(std::vector<Job>{});
    }
    std::vector<Job> claim(ClaimRequest request) {
        auto jobs = run(queue->claim(std::move(request)));
        EXPECT_TRUE(jobs) << (jobs ? "" : jobs.error().detail);
        return jobs.value_or(std::vector<Job>{});
    }
    Result<Recorded> record(Record r, const std::vector<Job>& jobs = {}) {
        for (const auto& job : jobs)
            if (job.id == r.id) r.fence = job.fence;
        return run(queue->record(std::move(r)));
    }
    std::string content(const std::string& id) {
        std::string all;
        for (std::uint32_t n = 0;; ++n) {
            auto piece = run(queue->read(id, n));
            EXPECT_TRUE(piece) << (piece ? "" : piece.error().detail);
            if (!piece || piece->empty()) return all;
            all += *piece;
        }
    }
    std::unique_ptr<World> world;
    std::unique_ptr<Queue> queue;
};

inline std::string kind_name(const ::testing::TestParamInfo<Kind>& info) {
    return info.param.name;
}

} // namespace danelaw::store
