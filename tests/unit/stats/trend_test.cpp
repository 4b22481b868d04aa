#include "stats/trend.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace headrace::stats {
namespace {

TEST(CountTrend, NeedsFourCounts) {
    EXPECT_FALSE(count_trend(std::vector<double>{1, 2, 3}));
    EXPECT_TRUE(count_trend(std::vector<double>{1, 2, 3, 4}));
}

TEST(CountTrend, HasTheSlopeOfLeastSquares) {
    // Slope 1.04 and mean 6.625, which is more than the residual variance of 0.80; t(0.95, 6) = 1.9432.
    const auto trend = count_trend(std::vector<double>{3, 5, 4, 6, 8, 7, 9, 11});
    ASSERT_TRUE(trend);
    EXPECT_NEAR(trend->change, 1.0357143, 1e-6);
    EXPECT_NEAR(trend->high - trend->change, 0.7717585, 1e-6);
    EXPECT_NEAR(trend->change - trend->low, 0.7717585, 1e-6);
}

TEST(CountTrend, TakesTheResidualsWhereTheyAreMoreThanThoseOfCounts) {
    const auto trend = count_trend(std::vector<double>{2, 30, 4, 25, 1, 28});
    ASSERT_TRUE(trend);
    EXPECT_LT(trend->low, 0);
    EXPECT_NEAR(trend->high - trend->change, 7.7348389, 1e-6);
}

TEST(CountTrend, TellsNothingOfAFewCountsOnALine) {
    const auto trend = count_trend(std::vector<double>{3, 4, 5, 6});
    ASSERT_TRUE(trend);
    EXPECT_DOUBLE_EQ(trend->change, 1);
    EXPECT_LT(trend->low, 0);
}

TEST(CountTrend, TellsNothingOfNothing) {
    const auto trend = count_trend(std::vector<double>(12, 0));
    ASSERT_TRUE(trend);
    EXPECT_EQ(trend->low, 0);
    EXPECT_EQ(trend->high, 0);
}

// Of steady Poisson counts a trend is told in one series of ten, at the most.
TEST(CountTrend, HoldsItsConfidence) {
    std::mt19937_64 random(1);
    for (const double rate : {0.5, 3.0, 20.0}) {
        std::poisson_distribution<int> count(rate);
        constexpr int series = 2000;
        int told = 0;
        for (int i = 0; i < series; ++i) {
            std::array<double, 8> counts{};
            for (double& one : counts) one = count(random);
            const auto trend = count_trend(counts);
            told += trend->low > 0 || trend->high < 0 ? 1 : 0;
        }
        EXPECT_LT(told, series / 10) << rate;
        EXPECT_GT(told, series / 200) << rate;
    }
}

}  // namespace
}  // namespace headrace::stats
