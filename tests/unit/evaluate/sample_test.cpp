#include "evaluate/sample.h"

#include <gtest/gtest.h>

#include <vector>

namespace headrace::evaluate {
namespace {

TEST(EvaluationSample, SavesAllButTheSampleAndTheLastEvaluation) {
    const std::vector<double> seconds{10, 12, 11};
    const auto finding = advise_sample({seconds, 5000, 100});
    ASSERT_TRUE(finding);
    EXPECT_EQ(finding->id, "evaluate.sample");
    EXPECT_EQ(finding->kind, FixKind::evaluation);
    EXPECT_EQ(finding->fix.evaluation_rows, 1000U);
    const Interval& saved = finding->gain->seconds_per_run;
    EXPECT_DOUBLE_EQ(saved.high, 22 * 0.8);
    EXPECT_DOUBLE_EQ(saved.predicted, 0.95 * 22 * 0.8);
    EXPECT_DOUBLE_EQ(saved.low, 0.8 * 22 * 0.8);
    EXPECT_EQ(finding->evidence,
              "3 evaluations of 5000 rows took 33.0 s, 33 % of the run; of 1,000 rows an accuracy has a standard error "
              "of at most 1.6 points.");
}

TEST(EvaluationSample, IsNotWorthwhileForFewRowsOrLittleTime) {
    const std::vector<double> seconds{10, 12, 11}, once{30};
    EXPECT_FALSE(advise_sample({seconds, 1999, 100}));
    EXPECT_FALSE(advise_sample({seconds, 5000, 331}));
    EXPECT_FALSE(advise_sample({once, 5000, 100}));
    EXPECT_FALSE(advise_sample({{}, 0, 100}));
}

}  // namespace
}  // namespace headrace::evaluate
