#include "stats/two_means.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

namespace headrace::stats {
namespace {

using Samples = std::vector<double>;

// R 4.3: t.test(c(5.1, 4.9, 5.6, 5.0), c(4.1, 4.8, 4.3), conf.level = 0.9), which is of the first less the second.
TEST(DifferenceOfMeans, IsWelchs) {
    const Samples before{4.1, 4.8, 4.3}, after{5.1, 4.9, 5.6, 5.0};
    const MeanInterval interval = difference_interval(before, after);
    EXPECT_NEAR(interval.mean, 0.75, 1e-12);
    const double error = std::sqrt(0.13 / 3 + 0.29 / 3 / 4);  // variances 0.13 and 0.0967
    const double degrees = std::pow(error, 4) / (std::pow(0.13 / 3, 2) / 2 + std::pow(0.29 / 12, 2) / 3);
    EXPECT_NEAR(interval.high - interval.mean, student_quantile(0.95, degrees) * error, 1e-9);
    EXPECT_NEAR(interval.mean - interval.low, interval.high - interval.mean, 1e-12);
}

TEST(DifferenceOfMeans, OfEqualSamplesHasNoWidth) {
    const Samples same{2, 2, 2};
    const MeanInterval interval = difference_interval(same, same);
    EXPECT_EQ(interval.low, 0);
    EXPECT_EQ(interval.high, 0);
}

TEST(DifferenceOfMeans, OfSingleSamplesIsByWhatIsKnown) {
    const MeanInterval interval = difference_interval(Samples{1.0}, Samples{1.5}, KnownDeviation{0.1, 4});
    EXPECT_NEAR(interval.mean, 0.5, 1e-12);
    EXPECT_NEAR(interval.high - 0.5, 2.131846786327 * 0.1 * std::sqrt(2.0), 1e-9);  // qt(0.95, 4)
}

TEST(PooledDeviation, TakesEachGroupByItsOwnMean) {
    const Samples first{1, 3}, second{10, 10, 13}, single{7};
    const std::array<std::span<const double>, 3> groups{first, second, single};
    const KnownDeviation pooled = pooled_deviation(groups);
    EXPECT_DOUBLE_EQ(pooled.degrees, 3);
    EXPECT_NEAR(pooled.deviation, std::sqrt((2.0 + 6.0) / 3), 1e-12);
}

TEST(PooledDeviation, OfSingleSamplesIsUnknown) {
    const Samples single{7};
    const std::array<std::span<const double>, 1> groups{single};
    EXPECT_EQ(pooled_deviation(groups).degrees, 0);
}

// The share of intervals that hold the true difference, of normal samples whose deviations differ.
TEST(DifferenceOfMeans, HoldsTheTruthAsOftenAsItPromises) {
    std::mt19937_64 random(20261201);
    std::normal_distribution<double> quiet(1.0, 0.01), loud(1.03, 0.03);
    constexpr int rounds = 20'000;
    int holds = 0;
    for (int round = 0; round < rounds; ++round) {
        Samples before(5), after(5);
        for (double& sample : before) sample = quiet(random);
        for (double& sample : after) sample = loud(random);
        const MeanInterval interval = difference_interval(before, after);
        holds += interval.low <= 0.03 && 0.03 <= interval.high ? 1 : 0;
    }
    EXPECT_NEAR(holds / static_cast<double>(rounds), 0.9, 0.012);
}

}  // namespace
}  // namespace headrace::stats
