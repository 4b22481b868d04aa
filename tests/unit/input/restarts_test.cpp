#include "input/restarts.h"

#include <gtest/gtest.h>

#include <vector>

namespace headrace::input {
namespace {

TEST(PersistentWorkers, SaveTheStarts) {
    const std::vector<double> starts{2, 2.5};
    const auto finding = advise_persistent({starts, 100, false, false});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "input.persistent_workers");
    EXPECT_EQ(finding->fix.persistent_workers, true);
    EXPECT_DOUBLE_EQ(finding->gain->ratio.high, 1);
    EXPECT_DOUBLE_EQ(finding->gain->seconds_per_run.predicted, 4.5);
    EXPECT_LT(finding->gain->seconds_per_run.low, 4.5);
    EXPECT_EQ(finding->evidence,
              "The workers of the training loader were started 2 more times, which took 4.50 s of 100.0 s.");
    EXPECT_EQ(finding->remedy, "Give the training DataLoader persistent_workers=True.");
}

TEST(PersistentWorkers, OfEvaluationAreAnotherFinding) {
    const std::vector<double> starts{2};
    const auto finding = advise_persistent({starts, 100, true, false});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "evaluate.persistent_workers");
    EXPECT_EQ(finding->area, Area::evaluate);
}

TEST(PersistentWorkers, NeedALoaderThatStays) {
    const std::vector<double> starts{2};
    EXPECT_NE(advise_persistent({starts, 100, false, true})->remedy.find("make it once"), std::string::npos);
}

TEST(PersistentWorkers, AreNotWorthAPercent) {
    const std::vector<double> starts{0.4, 0.5};
    EXPECT_FALSE(advise_persistent({starts, 100, false, false}));
    EXPECT_FALSE(advise_persistent({{}, 100, false, false}));
}

}  // namespace
}  // namespace headrace::input
