#include "compute/faster_steps.h"

#include <gtest/gtest.h>

#include "compute/made_up.h"

namespace headrace::compute {
namespace {

using namespace made_up;

// Its steps are all but a hundredth of it.
const replay::Loop& computes() {
    static const replay::Loop loop = loop_of({0, 1e-4, 0, 0}, {9.9e-3, 0}, 0);
    return loop;
}

Probe with_half(double seconds) {
    Probe probe = probe_of(9.9e-3, 0);
    probe.cases.push_back(case_with(8, seconds));
    probe.cases.back().precision = "bfloat16";
    return probe;
}

Probe with_channels_last(double seconds) {
    Probe probe = probe_of(9.9e-3, 0);
    probe.cases.push_back(case_with(8, seconds));
    probe.cases.back().channels_last = true;
    return probe;
}

TEST(Precision, IsAFindingWhereItWasMeasuredToWin) {
    const Probe probe = with_half(4.9e-3);
    const std::optional<Finding> finding = advise_precision(use_of(computes(), probe));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "compute.precision");
    EXPECT_EQ(finding->kind, FixKind::autocast);
    EXPECT_EQ(finding->fix.precision, "bfloat16");
    EXPECT_EQ(finding->changes, Changes::numerics);
    EXPECT_TRUE(can_be_tried(*finding));
    EXPECT_NEAR(finding->gain->ratio.predicted, 2, 0.02);
    EXPECT_NE(finding->evidence.find("4.90 ms under bfloat16 autocast, and 9.90 ms as it is"), std::string::npos)
        << finding->evidence;
    EXPECT_NE(finding->remedy.find("torch.autocast(\"cpu\""), std::string::npos) << finding->remedy;
}

TEST(Precision, IsNoneWhereItWasNotMeasuredOrWinsNothing) {
    const Probe slower = with_half(12e-3), same = with_half(9.7e-3), without = probe_of(9.9e-3, 0);
    EXPECT_FALSE(advise_precision(use_of(computes(), slower)));
    EXPECT_FALSE(advise_precision(use_of(computes(), same)));
    EXPECT_FALSE(advise_precision(use_of(computes(), without)));
    const Probe other = with_channels_last(4e-3);
    EXPECT_FALSE(advise_precision(use_of(computes(), other)));
}

TEST(Precision, IsNoneWhereTheLoopWaitsForItsLoader) {
    const replay::Loop waits = loop_of({0.050, 0, 0, 0}, {9.9e-3, 0}, 1);
    const Probe probe = with_half(4.9e-3);
    EXPECT_FALSE(advise_precision(use_of(waits, probe)));
}

TEST(ChannelsLast, IsAFindingWhereItWasMeasuredToWin) {
    const Probe probe = with_channels_last(6.6e-3);
    const std::optional<Finding> finding = advise_channels_last(use_of(computes(), probe));
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "compute.channels_last");
    EXPECT_EQ(finding->kind, FixKind::by_hand);
    EXPECT_EQ(finding->changes, Changes::rounding);
    EXPECT_FALSE(can_be_tried(*finding));
    EXPECT_NEAR(finding->gain->ratio.predicted, 10.0 / 6.7, 0.02);
}

TEST(ChannelsLast, IsNoneWhereItWinsNothing) {
    const Probe slower = with_channels_last(10e-3), without = with_half(5e-3);
    EXPECT_FALSE(advise_channels_last(use_of(computes(), slower)));
    EXPECT_FALSE(advise_channels_last(use_of(computes(), without)));
}

}  // namespace
}  // namespace headrace::compute
