#include "prep/cache.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

namespace headrace::prep {
namespace {

// Two passes of 100 batches of 8 samples without workers: 30 ms to make one, 1 of it collation, and 10 ms a step.
replay::Loop loop_of(double blocked = 0, unsigned workers = 0, double cores = 2) {
    return {std::vector<replay::BatchCost>(200, {blocked, 0.030 - blocked, 0, 0}),
            std::vector<replay::StepCost>(200, {0.010, 0}),
            {100},
            {.workers = workers},
            replay::Cores::alike(cores)};
}

std::vector<BatchSamples> made_of(double blocked = 0) { return std::vector<BatchSamples>(200, {0.029 - blocked, 8}); }

SampleUse use_of() {
    return {.passes = 2,
            .compared = 60,
            .bytes = 150e3,
            .distinct = 800,
            .seen_before = 1,
            .cpu_seconds = 0.029 / 8,
            .blocked_seconds = 0,
            .later_samples = 800,
            .later_seconds = 4,
            .run_seconds = 10,
            .free_memory_bytes = 4e9};
}

TEST(Cache, WinsWhatMakingSamplesAgainTook) {
    const std::optional<Finding> finding = advise_cache(loop_of(), made_of(), use_of(), 0.05);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "prep.cache");
    EXPECT_EQ(finding->area, Area::prep);
    EXPECT_EQ(finding->kind, FixKind::sample_cache);
    EXPECT_EQ(finding->changes, Changes::nothing);
    // 10 ms of step, 1 of collation and 8 reads of 78 microseconds are left of 40 ms.
    const Interval& ratio = finding->gain->ratio;
    EXPECT_NEAR(ratio.predicted, 0.040 / (0.011 + 8 * 77.5e-6), 1e-3);
    EXPECT_LT(ratio.low, ratio.predicted);
    EXPECT_GT(ratio.high, ratio.predicted);
    // Of the second pass, less what keeping 800 samples takes in the first.
    const double kept = 800 * (150e-6 + 150e3 / 1.5e9);
    EXPECT_NEAR(finding->gain->seconds_per_run.predicted, 4 * (1 - 1 / ratio.predicted) - kept, 1e-6);
    EXPECT_GE(*finding->fix.cache_bytes, 800U * 150'000U);
    EXPECT_LE(*finding->fix.cache_bytes, 800U * 170'000U);
    EXPECT_NE(finding->evidence.find("60 samples were hashed in 2 or more of 2 passes"), std::string::npos);
    EXPECT_NE(finding->evidence.find("at most 4.9 % of all differ"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->evidence.find("fits: true"), std::string::npos);
}

TEST(Cache, SavesWhatSamplesWaited) {
    const replay::Loop changed = with_cache(loop_of(0.02), made_of(0.02), use_of());
    EXPECT_EQ(changed.batches.front().blocked, 0);
    EXPECT_NEAR(changed.batches.front().cpu, 0.001 + 8 * 77.5e-6, 1e-9);
}

TEST(Cache, LeavesWhatNoPassHadMade) {
    SampleUse use = use_of();
    use.seen_before = 0.25;
    const replay::Loop changed = with_cache(loop_of(0.02), made_of(0.02), use);
    EXPECT_NEAR(changed.batches.front().blocked, 0.015, 1e-9);
    EXPECT_NEAR(changed.batches.front().cpu, 0.010 - 0.25 * 0.009 + 0.25 * 8 * 77.5e-6, 1e-9);
}

TEST(Cache, IsNothingWhereSamplesDifferOrTooLittleIsKnown) {
    const auto advised = [](auto change) {
        SampleUse use = use_of();
        change(use);
        return advise_cache(loop_of(), made_of(), use, 0.05).has_value();
    };
    EXPECT_TRUE(advised([](SampleUse&) {}));
    EXPECT_FALSE(advised([](SampleUse& use) { use.differing = 1; }));
    EXPECT_FALSE(advised([](SampleUse& use) { use.unknown = 1; }));
    EXPECT_FALSE(advised([](SampleUse& use) { use.compared = 11; }));
    EXPECT_FALSE(advised([](SampleUse& use) { use.passes = 1; }));
    EXPECT_FALSE(advised([](SampleUse& use) { use.seen_before = 0; }));
}

TEST(Cache, IsNothingWhereWorkersHideTheWork) {
    EXPECT_FALSE(advise_cache(loop_of(0.028, 4, 8), made_of(0.028), use_of(), 0.05));
}

TEST(Cache, ThatDoesNotFitHasNothingToTry) {
    SampleUse use = use_of();
    use.free_memory_bytes = 100e6;
    const std::optional<Finding> finding = advise_cache(loop_of(), made_of(), use, 0.05);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->kind, FixKind::by_hand);
    EXPECT_FALSE(finding->gain);
    EXPECT_FALSE(finding->fix.cache_bytes);
    EXPECT_FALSE(can_be_tried(*finding));
    EXPECT_NE(finding->evidence.find("fits: false"), std::string::npos) << finding->evidence;
    use.free_memory_bytes = 0;
    EXPECT_EQ(advise_cache(loop_of(), made_of(), use, 0.05)->kind, FixKind::by_hand) << "nobody knows what was free";
}

TEST(Cache, NeverCostsLessThanNothing) {
    rc::check("a batch's costs stay at 0 or above", [] {
        SampleUse use = use_of();
        use.seen_before = *rc::gen::inRange(0, 101) / 100.0;
        const double blocked = *rc::gen::inRange(0, 30) / 1000.0;
        std::vector<BatchSamples> made = made_of();
        made.front().cpu = *rc::gen::inRange(0, 100) / 1000.0;
        for (const replay::BatchCost& batch : with_cache(loop_of(blocked), made, use).batches) {
            RC_ASSERT(batch.cpu >= 0);
            RC_ASSERT(batch.blocked >= 0);
        }
    });
}

}  // namespace
}  // namespace headrace::prep
