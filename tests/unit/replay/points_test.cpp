#include "replay/points.h"

#include <gtest/gtest.h>

namespace headrace::replay {
namespace {

Loop alike(const BatchCost& batch, const StepCost& step, const Configuration& configuration, double cores) {
    return {
        std::vector<BatchCost>(200, batch), std::vector<StepCost>(200, step), {}, configuration, Cores::alike(cores)};
}

TEST(Parts, SayWhatEachBringsByItself) {
    // One worker makes a batch in 30 ms beside a step of 20 with two threads that lose half to each other.
    const Loop recorded = alike({0, 0.030, 0, 0}, {0.020, 0}, {.workers = 1, .prefetch_factor = 2, .threads = 2}, 8);
    const ThreadPoint one{1, 0.5, 1};
    const std::vector<Part> parts = parts_of(recorded, 1e-3, {3, 4, &one});
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_EQ(parts[0].name, "workers");
    EXPECT_NEAR(parts[0].ratio, 1.5, 0.05) << "then a step of 20 ms is the limit";
    EXPECT_EQ(parts[1].name, "prefetch");
    EXPECT_NEAR(parts[1].ratio, 1, 0.01);
    EXPECT_EQ(parts[2].name, "threads");
    EXPECT_NEAR(parts[2].ratio, 1, 0.01) << "the loader is the limit";
    EXPECT_EQ(in_words({{"workers", 1.5}, {"threads", 1}}, 3),
              "Workers alone 1.50x, threads alone 1.00x, together 3.00x.");
}

TEST(Parts, AreNoneOfWhatStays) {
    const Loop recorded = alike({0, 0.030, 0, 0}, {0.020, 0}, {.workers = 1, .prefetch_factor = 2}, 8);
    EXPECT_TRUE(parts_of(recorded, 1e-3, point_of(recorded)).empty());
    const std::vector<Part> parts = parts_of(recorded, 1e-3, {0, 4});
    ASSERT_EQ(parts.size(), 1U) << "without workers there is no prefetch factor";
    EXPECT_EQ(in_words(parts, parts[0].ratio), "");
}

TEST(BestPoint, IsTheSmallestOfThoseThatAreAsGood) {
    const Loop recorded = alike({0, 0.030, 0.001, 0.001}, {0.010, 0}, {.workers = 1}, 8);
    const Point best = best_point(recorded, 1e-3, {});
    EXPECT_EQ(best.workers, 3U);
    EXPECT_EQ(best.prefetch_factor, 2U);
    EXPECT_EQ(best.threads, nullptr);
}

}  // namespace
}  // namespace headrace::replay
