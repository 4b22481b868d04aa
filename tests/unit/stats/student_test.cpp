#include "stats/student.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

namespace headrace::stats {
namespace {

// R 4.3, qt(p, df).
TEST(StudentQuantile, IsThatOfTheTables) {
    struct Known {
        double p, degrees, t;
    };
    constexpr std::array<Known, 8> known{{{0.95, 1, 6.313751514675},
                                          {0.95, 2, 2.919985580354},
                                          {0.95, 4, 2.131846786327},
                                          {0.975, 9, 2.262157162798},
                                          {0.95, 30, 1.697260886593},
                                          {0.995, 5, 4.032142983557},
                                          {0.05, 4, -2.131846786327},
                                          {0.95, 1000, 1.646378818082}}};
    for (const Known& one : known) EXPECT_NEAR(student_quantile(one.p, one.degrees), one.t, 1e-9 * std::abs(one.t));
    EXPECT_NEAR(student_quantile(0.5, 3), 0, 1e-9);
}

TEST(MeanIntervalOfSamples, HoldsTheMeanInTheMiddle) {
    const std::vector<double> samples{1, 2, 3, 4};
    const auto interval = mean_interval(samples, 0.9);
    ASSERT_TRUE(interval);
    EXPECT_DOUBLE_EQ(interval->mean, 2.5);
    const double half = 2.353363434801823 * std::sqrt(5.0 / 3 / 4);  // qt(0.95, 3)
    EXPECT_NEAR(interval->low, 2.5 - half, 1e-9);
    EXPECT_NEAR(interval->high, 2.5 + half, 1e-9);
}

TEST(MeanIntervalOfSamples, NeedsTwo) {
    EXPECT_FALSE(mean_interval(std::vector<double>{1}));
    EXPECT_FALSE(mean_interval(std::vector<double>{}));
    const auto equal = mean_interval(std::vector<double>{2, 2});
    ASSERT_TRUE(equal);
    EXPECT_DOUBLE_EQ(equal->low, 2);
    EXPECT_DOUBLE_EQ(equal->high, 2);
}

}  // namespace
}  // namespace headrace::stats
