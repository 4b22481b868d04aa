#include "input/workers.h"

#include <gtest/gtest.h>

namespace headrace::input {
namespace {

replay::Loop alike(const replay::BatchCost& batch, const replay::StepCost& step,
                   const replay::Configuration& configuration, double cores) {
    return {std::vector<replay::BatchCost>(200, batch),
            std::vector<replay::StepCost>(200, step),
            {},
            configuration,
            replay::Cores::alike(cores)};
}

LoaderUse use_of(const replay::Loop& loop) { return {loop, 1e-3, 100, 0.5, false, 3}; }

TEST(Workers, AreAsManyAsTheCoresNeed) {
    const replay::Loop loop = alike({0, 0.030, 0.001, 0.001}, {0.010, 0}, {.workers = 1}, 8);
    const std::optional<Finding> finding = advise_workers(use_of(loop));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->fix.workers, 3U);
    EXPECT_EQ(finding->fix.prefetch_factor, std::nullopt);
    EXPECT_EQ(finding->fix.persistent_workers, true);
    EXPECT_EQ(finding->fix.threads, std::nullopt);
    EXPECT_NEAR(finding->gain->ratio.predicted, 0.030 / 0.011, 0.05);
    EXPECT_NEAR(finding->gain->seconds_per_run.predicted, 100 * (1 - 0.011 / 0.030), 1);
    EXPECT_EQ(finding->remedy.find("Give the training DataLoader num_workers=3 and prefetch_factor=2, with persistent"),
              0U);
}

TEST(Workers, AreFewerWhereTheyTakeTheCoresOfTheSteps) {
    const replay::Loop loop =
        alike({0, 0.001, 0.005, 0.004}, {0.010, 0}, {.workers = 4, .prefetch_factor = 2, .threads = 1}, 1);
    const std::optional<Finding> finding = advise_workers(use_of(loop));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->fix.workers, 0U);
    EXPECT_EQ(finding->fix.persistent_workers, std::nullopt);
}

TEST(Workers, StayWhereNothingIsWonByOthers) {
    EXPECT_FALSE(advise_workers(use_of(alike({0, 0.001, 0.001, 0.001}, {0.050, 0}, {.workers = 1}, 4))));
    EXPECT_FALSE(advise_workers(use_of(alike({0, 0.001, 0, 0}, {0.050, 0}, {.workers = 0}, 4))));
}

TEST(ModelError, IsLargerWhereMoreIsGuessed) {
    const replay::Loop none = alike({0, 0.001, 0, 0}, {0.01, 0}, {.workers = 0, .threads = 2}, 2);
    const LoaderUse use = use_of(none);
    const replay::Loop one = with_workers(use, 1, 2);
    const replay::Loop two = with_workers(use, 2, 2);
    EXPECT_GT(one.batches.front().receive, 0);
    EXPECT_GT(model_error(none, one), 0.2);
    EXPECT_EQ(model_error(one, two), 0.05);
    const replay::Loop single = alike({0, 0.001, 0, 0}, {0.01, 0}, {.workers = 0, .threads = 1}, 2);
    EXPECT_LT(model_error(single, with_workers(use_of(single), 1, 2)), 0.1);
}

}  // namespace
}  // namespace headrace::input
