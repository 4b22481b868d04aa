#include "compute/batch.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compute/made_up.h"

namespace headrace::compute {
namespace {

using namespace made_up;

TEST(StepLine, GoesThroughWhatWasMeasured) {
    const StepLine line = line_of(probe_of(8e-3, 1e-4)).value();
    EXPECT_NEAR(line.fixed, 8e-3, 1e-9);
    EXPECT_NEAR(line.per_sample, 1e-4, 1e-9);
    EXPECT_NEAR(line.knee(), 80, 1e-6);
}

TEST(StepLine, HasNoPartBelowZero) {
    const StepLine flat = line_of(probe_of(10e-3, -1e-4)).value();
    EXPECT_EQ(flat.per_sample, 0);
    EXPECT_TRUE(std::isinf(flat.knee()));
    const StepLine steep = line_of(probe_of(-1e-3, 1e-3)).value();
    EXPECT_EQ(steep.fixed, 0);
    EXPECT_GT(steep.per_sample, 0);
    EXPECT_EQ(steep.knee(), 0);
}

TEST(StepLine, NeedsTwoSizes) {
    Probe probe = probe_of(8e-3, 1e-4);
    probe.cases.resize(1);
    EXPECT_FALSE(line_of(probe));
    probe.batch_size = 1;
    EXPECT_FALSE(line_of(probe)) << "not its own size";
}

// A step of 8 samples takes 8.8 ms, of which 8 are fixed; a batch is made in no time.
TEST(Batch, IsLargerWhereAStepIsMostlyFixed) {
    const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {8.8e-3, 0}, 0);
    const Probe probe = probe_of(8e-3, 1e-4);
    const std::optional<Finding> finding = advise_batch(use_of(loop, probe));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "compute.batch");
    EXPECT_EQ(finding->area, Area::compute);
    EXPECT_EQ(finding->kind, FixKind::loader);
    EXPECT_EQ(finding->changes, Changes::semantics);
    EXPECT_EQ(finding->fix.batch_size, 16U);
    EXPECT_EQ(finding->fix.workers, std::nullopt);
    EXPECT_EQ(finding->fix.threads, std::nullopt);
    // 8.9 ms for 8 samples, 9.8 for 16.
    EXPECT_NEAR(finding->gain->ratio.predicted, 2 * 8.9 / 9.8, 0.01);
    EXPECT_NEAR(finding->gain->seconds_per_run.predicted, 100 * (1 - 9.8 / (2 * 8.9)), 0.5);
    EXPECT_LT(finding->gain->ratio.low, finding->gain->ratio.predicted);
    EXPECT_GT(finding->gain->ratio.high, finding->gain->ratio.predicted);
    EXPECT_NE(finding->evidence.find("of 4 samples takes 8.40 ms, of 8 samples takes 8.80 ms, of 16"),
              std::string::npos)
        << finding->evidence;
    EXPECT_NE(finding->evidence.find("91 % of a step is fixed"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->evidence.find("lies at 80 samples"), std::string::npos) << finding->evidence;
    EXPECT_EQ(finding->evidence.find("MiB"), std::string::npos) << "no memory was measured";
    EXPECT_NE(finding->remedy.find("batch_size=16"), std::string::npos);
}

TEST(Batch, StaysWhereEverySampleCostsTheSame) {
    const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {8e-3, 0}, 0);
    EXPECT_FALSE(advise_batch(use_of(loop, probe_of(1e-4, 1e-3))));
}

// The worker needs 30 ms for a batch of 8 and 60 for one of 16, whatever a step costs.
TEST(Batch, StaysWhereTheLoaderIsTheLimit) {
    replay::Loop loop = loop_of({0.030, 0, 0, 0}, {8.8e-3, 0}, 1);
    loop.cores = replay::Cores::alike(1);
    const Probe probe = probe_of(8e-3, 1e-4);
    // Even with the most workers that are tried, 2, a batch takes 15 ms.
    EXPECT_FALSE(advise_batch(use_of(loop, probe)));
}

TEST(Batch, ComesWithTheWorkersThatItNeeds) {
    const replay::Loop loop = loop_of({0, 12e-3, 5e-4, 5e-4}, {8.8e-3, 0}, 1);
    const Probe probe = probe_of(8e-3, 1e-4);
    StepUse use = use_of(loop, probe);
    use.passes = 3;
    const std::optional<Finding> finding = advise_batch(use);
    ASSERT_TRUE(finding);
    EXPECT_GE(finding->fix.workers, 3U);
    EXPECT_EQ(finding->fix.persistent_workers, true);
    EXPECT_NE(finding->evidence.find("Batch alone"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->evidence.find("workers alone"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->evidence.find("together"), std::string::npos) << finding->evidence;
    EXPECT_NE(finding->remedy.find("num_workers="), std::string::npos);
}

TEST(Batch, HasAnIntervalAsWideAsTheProbeIsUnsure) {
    const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {8.8e-3, 0}, 0);
    const Probe sure = probe_of(8e-3, 1e-4);
    Probe unsure = sure;
    for (ProbeCase& one : unsure.cases) {
        one.low = one.median * 0.7;
        one.high = one.median * 1.4;
    }
    const Interval narrow = advise_batch(use_of(loop, sure))->gain->ratio;
    const Interval wide = advise_batch(use_of(loop, unsure))->gain->ratio;
    EXPECT_GT(wide.high / wide.low, 1.5 * narrow.high / narrow.low);
    EXPECT_NEAR(wide.predicted, narrow.predicted, 1e-9);
}

TEST(Batch, TellsItsMemoryAndHasToFit) {
    const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {8.8e-3, 0}, 0);
    Probe probe = probe_of(8e-3, 1e-4);
    probe.cases[0].host_peak_bytes = std::int64_t{400} << 20U;
    probe.cases[2].host_peak_bytes = std::int64_t{700} << 20U;
    StepUse use = use_of(loop, probe);
    use.memory_bytes = std::int64_t{1} << 30U;
    const std::optional<Finding> finding = advise_batch(use);
    ASSERT_TRUE(finding);
    EXPECT_NE(finding->evidence.find("the process peaked at 700 MiB, 400 as it is"), std::string::npos)
        << finding->evidence;
    use.memory_bytes = std::int64_t{750} << 20U;
    EXPECT_FALSE(advise_batch(use));
}

TEST(Batch, OfASamplerOfTheProgramsOwnIsChangedByHand) {
    const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {8.8e-3, 0}, 0);
    const Probe probe = probe_of(8e-3, 1e-4);
    StepUse use = use_of(loop, probe);
    use.loader_batch.reset();
    const std::optional<Finding> finding = advise_batch(use);
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->kind, FixKind::by_hand);
    EXPECT_FALSE(can_be_tried(*finding));
}

TEST(Batch, IsNotAdvisedWhereTwiceOfItWasNotMeasured) {
    const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {8.8e-3, 0}, 0);
    Probe probe = probe_of(8e-3, 1e-4);
    probe.cases.pop_back();
    EXPECT_FALSE(advise_batch(use_of(loop, probe)));
}

}  // namespace
}  // namespace headrace::compute
