#include "stats/quantile.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace headrace::stats {
namespace {

TEST(Quantile, IsThatOfTheReference) {
    // numpy.quantile([3, 1, 4, 1, 5, 9, 2, 6], p), the default method.
    const std::vector<double> samples{3, 1, 4, 1, 5, 9, 2, 6};
    EXPECT_DOUBLE_EQ(quantile(samples, 0).value(), 1);
    EXPECT_DOUBLE_EQ(quantile(samples, 0.1).value(), 1);
    EXPECT_DOUBLE_EQ(quantile(samples, 0.25).value(), 1.75);
    EXPECT_DOUBLE_EQ(quantile(samples, 0.5).value(), 3.5);
    EXPECT_DOUBLE_EQ(quantile(samples, 0.95).value(), 7.95);
    EXPECT_DOUBLE_EQ(quantile(samples, 1).value(), 9);
    EXPECT_DOUBLE_EQ(median(samples).value(), 3.5);
    EXPECT_DOUBLE_EQ(mean(samples).value(), 3.875);
}

TEST(Quantile, NothingHasNone) {
    EXPECT_FALSE(quantile({}, 0.5));
    EXPECT_FALSE(median({}));
    EXPECT_FALSE(mean({}));
}

TEST(Quantile, OfOneSampleIsThatSample) {
    const std::vector<double> one{7};
    for (const double p : {-1.0, 0.0, 0.3, 1.0, 2.0}) EXPECT_EQ(quantile(one, p), 7);
}

TEST(Quantile, OrdersOutsideAreTheEnds) {
    const std::vector<double> samples{2, 1};
    EXPECT_EQ(quantile(samples, -0.5), 1);
    EXPECT_EQ(quantile(samples, 1.5), 2);
}

TEST(Quantile, AgreesWithSorting) {
    const bool held = rc::check("the definition on sorted samples", [] {
        const auto whole = *rc::gen::nonEmpty<std::vector<int>>();
        const double p = *rc::gen::inRange(0, 1001) / 1000.0;
        const std::vector<double> samples(whole.begin(), whole.end());
        std::vector<double> sorted = samples;
        std::ranges::sort(sorted);
        const double position = p * static_cast<double>(sorted.size() - 1);
        const auto below = static_cast<std::size_t>(position);
        const std::size_t above = std::min(below + 1, sorted.size() - 1);
        const double expected =
            sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
        const double found = quantile(samples, p).value();
        RC_ASSERT(std::abs(found - expected) <= 1e-6);
        RC_ASSERT(found >= sorted.front() && found <= sorted.back());
    });
    EXPECT_TRUE(held);
}

TEST(QuantileInterval, HasTheRanksOfTheBinomial) {
    std::vector<double> samples(1000);
    for (std::size_t i = 0; i < samples.size(); ++i) samples[samples.size() - 1 - i] = static_cast<double>(i + 1);
    const QuantileInterval known = quantile_interval(samples, 0.95).value();
    // 950 and 1.645 times the root of 1000 * 0.95 * 0.05 = 6.9 to either side.
    EXPECT_EQ(known.low, 938);
    EXPECT_EQ(known.high, 963);
    const std::vector<double> few{3, 1, 2};
    EXPECT_EQ(quantile_interval(few, 0.95)->high, 3);
    EXPECT_FALSE(quantile_interval({}, 0.95));
}

TEST(QuantileInterval, HoldsTheTruthAsOftenAsItSays) {
    std::mt19937_64 random(7);
    std::exponential_distribution<double> draw;
    const double truth = std::log(20);
    int inside = 0;
    for (int i = 0; i < 2000; ++i) {
        std::vector<double> samples(200);
        for (double& sample : samples) sample = draw(random);
        const QuantileInterval known = quantile_interval(samples, 0.95).value();
        if (known.low <= truth && truth <= known.high) ++inside;
    }
    EXPECT_GT(inside, 2000 * 0.88);
    EXPECT_LT(inside, 2000 * 0.97);
}

TEST(Mean, LosesNothingBesideALargeSample) {
    std::vector<double> samples{1e17};
    samples.insert(samples.end(), 1000, 1.0);
    samples.push_back(-1e17);
    EXPECT_DOUBLE_EQ(mean(samples).value() * static_cast<double>(samples.size()), 1000);
}

}  // namespace
}  // namespace headrace::stats
