// Connections that fit into so many descriptors (SS-025).
#include "../../../src/app/descriptors.hpp"

#include <gtest/gtest.h>

namespace danelaw::app {
namespace {

TEST(Descriptors, SharesByLimit) {
    struct Row {
        std::uint64_t descriptors;
        Shares wanted, want;
    };
    const Row rows[] = {
        {16384, {1000, 500}, {1000, 500}},
        {descriptors_for({1000, 500}), {1000, 500}, {1000, 500}},
        {1024, {1000, 500}, {469, 234}},
        {256, {1000, 500}, {85, 42}},
        {160, {1000, 500}, {21, 10}},
        {64, {1000, 500}, {4, 4}},
        {64, {2, 500}, {2, 4}},
        {20, {10, 10}, {4, 4}},
    };
    for (const auto& row : rows) {
        const auto got = fit(row.wanted, row.descriptors);
        EXPECT_EQ(got.clients, row.want.clients) << row.descriptors;
        EXPECT_EQ(got.deliveries, row.want.deliveries) << row.descriptors;
    }
}

TEST(Descriptors, WhatIsAskedForIsEnough) {
    for (std::uint32_t clients : {1u, 10u, 100u, 1000u, 20000u})
        for (std::uint32_t deliveries : {1u, 50u, 500u, 5000u}) {
            const Shares wanted{clients, deliveries};
            EXPECT_EQ(fit(wanted, descriptors_for(wanted)), wanted) << clients << " " << deliveries;
        }
}

} // namespace
} // namespace danelaw::app
