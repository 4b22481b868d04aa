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

LoaderUse use_of(const replay::Loop& loop) { return {loop, {}, 100, 0.5, false, 3}; }

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

TEST(Workers, OfAStreamNeedAPartOfIt) {
    const replay::Loop loop = alike({0, 0.060, 0.001, 0.001}, {0.010, 0}, {.workers = 2}, 8);
    LoaderUse use = use_of(loop);
    use.divides_itself = true;
    EXPECT_NE(advise_workers(use)->remedy.find("a part for each of them"), std::string::npos);
    const replay::Loop crowded = alike({0, 0.001, 0.005, 0.004}, {0.010, 0}, {.workers = 4}, 1);
    LoaderUse fewer = use_of(crowded);
    fewer.divides_itself = true;
    EXPECT_EQ(advise_workers(fewer)->remedy.find("a part for each of them"), std::string::npos);
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

TEST(Threads, AreFewerWhereTheyLoseMoreThanTheyWin) {
    // As it was: two threads beside a busy worker on two cores, at a third of their speed.
    replay::Loop loop = alike({0, 0.030, 0.001, 0.001}, {0.010, 0}, {.workers = 1, .threads = 2, .gang = 0.33}, 2);
    const ThreadPoint one{1, 1.6, 1};
    LoaderUse use = use_of(loop);
    use.threads = {&one, 1};
    const std::optional<Finding> finding = advise_workers(use);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->fix.threads, 1U);
    EXPECT_NE(finding->title.find("1 intra-op thread"), std::string::npos) << finding->title;
    EXPECT_NE(finding->remedy.find("torch.set_num_threads(1)"), std::string::npos) << finding->remedy;
    const double best = replay::mean_step(
        with_threads(with_workers(use, static_cast<unsigned>(finding->fix.workers.value_or(1)), 2), one));
    for (unsigned workers = 0; workers <= 4; ++workers) {
        EXPECT_LE(0.98 * best, replay::mean_step(with_workers(use, workers, 2)));
        EXPECT_LE(0.98 * best, replay::mean_step(with_threads(with_workers(use, workers, 2), one)));
    }
}

TEST(Threads, AloneAreAFindingOfTheirOwn) {
    // The loader has nothing to do: with four threads on two cores a step takes four times as long as with two.
    const replay::Loop loop = alike({0, 0.0001, 0, 0}, {0.040, 0}, {.workers = 0, .threads = 4}, 2);
    const ThreadPoint two{2, 0.25, 1};
    LoaderUse use = use_of(loop);
    use.threads = {&two, 1};
    const std::optional<Finding> finding = advise_workers(use);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "compute.threads");
    EXPECT_EQ(finding->area, Area::compute);
    EXPECT_EQ(finding->changes, Changes::rounding);
    EXPECT_EQ(finding->title, "2 intra-op threads instead of 4");
    EXPECT_EQ(finding->fix.workers, std::nullopt);
    EXPECT_NEAR(finding->gain->ratio.predicted, 4, 0.2);
    EXPECT_TRUE(can_be_tried(*finding));
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
