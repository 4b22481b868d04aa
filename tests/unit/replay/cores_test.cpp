#include "replay/cores.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace headrace::replay {
namespace {

TEST(Cores, AreSharedInEqualParts) {
    const Cores two = Cores::alike(2);
    EXPECT_DOUBLE_EQ(two.rate(0.5), 1);
    EXPECT_DOUBLE_EQ(two.rate(1), 1);
    EXPECT_DOUBLE_EQ(two.rate(2), 1);
    EXPECT_DOUBLE_EQ(two.rate(3), 2.0 / 3);
    EXPECT_DOUBLE_EQ(two.rate(8), 0.25);
    EXPECT_DOUBLE_EQ(two.count(), 2);
}

TEST(Cores, AreSlowerBesideBusyOnes) {
    const Cores measured({1, 1.8, 1.9});
    EXPECT_DOUBLE_EQ(measured.rate(1), 1);
    EXPECT_DOUBLE_EQ(measured.rate(2), 0.9);
    EXPECT_DOUBLE_EQ(measured.rate(2.5), 1.85 / 2.5);
    EXPECT_DOUBLE_EQ(measured.rate(3), 1.9 / 3);
    EXPECT_DOUBLE_EQ(measured.rate(6), 1.9 / 6);
    EXPECT_DOUBLE_EQ(Cores::alike(3, 0.5).rate(3), 2.0 / 3);
}

TEST(Cores, DoLessWhereMoreThreadsWantThem) {
    const Cores crowded = Cores::alike(2, 0.8).crowded(0.9);
    EXPECT_DOUBLE_EQ(crowded.rate(1), 1);
    EXPECT_DOUBLE_EQ(crowded.rate(2), 0.95 * 0.9);
    EXPECT_DOUBLE_EQ(crowded.rate(2.5), 0.925 * 1.8 / 2.5);
    EXPECT_DOUBLE_EQ(crowded.rate(3), 0.9 * 1.8 / 3);
    EXPECT_DOUBLE_EQ(crowded.rate(9), 0.9 * 1.8 / 9);
    EXPECT_DOUBLE_EQ(Cores::alike(1).crowded(0.9).rate(4), 0.25) << "there is no other core to leave idle";
    EXPECT_DOUBLE_EQ(Cores::alike(4, 0.8).crowded(0.9).first(2).rate(3), 0.9 * 1.8 / 3);
    EXPECT_DOUBLE_EQ(Cores::alike(4, 0.8).crowded(0.9).first(1).rate(3), 1.0 / 3);
}

TEST(Cores, OfAQuotaNeedNotBeWhole) {
    const Cores quota = Cores::alike(2.5, 0.8);
    EXPECT_DOUBLE_EQ(quota.count(), 2.5);
    EXPECT_DOUBLE_EQ(quota.rate(2), 0.9);
    EXPECT_DOUBLE_EQ(quota.rate(3), (1.8 + 0.4) / 3);
    EXPECT_DOUBLE_EQ(quota.rate(30), (1.8 + 0.4) / 30);
    EXPECT_DOUBLE_EQ(Cores::alike(1).rate(4), 0.25);
}

TEST(Cores, DoMoreTogetherAndEachLess) {
    const bool held = rc::check("one thread more", [] {
        const Cores cores = Cores::alike(*rc::gen::inRange(10, 200) / 10.0, *rc::gen::inRange(0, 101) / 100.0);
        const double threads = *rc::gen::inRange(1, 300) / 10.0;
        RC_ASSERT(cores.rate(threads + 1) <= cores.rate(threads) + 1e-12);
        RC_ASSERT(cores.rate(threads + 1) * (threads + 1) >= cores.rate(threads) * threads - 1e-12);
    });
    EXPECT_TRUE(held);
}

}  // namespace
}  // namespace headrace::replay
