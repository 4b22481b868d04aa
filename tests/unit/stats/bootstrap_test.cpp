#include "stats/bootstrap.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <set>
#include <vector>

#include "stats/quantile.h"

namespace headrace::stats {
namespace {

// An autoregressive series of order 1: each value is `memory` of the one before and noise of variance 1.
std::vector<double> autoregressive(std::size_t size, double memory, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> noise;
    std::vector<double> series;
    double value = noise(random) / std::sqrt(1 - memory * memory);
    for (std::size_t i = 0; i < size; ++i) {
        series.push_back(value);
        value = memory * value + noise(random);
    }
    return series;
}

// What the bootstrap says of the standard error of the mean.
double standard_error(const std::vector<double>& series, std::size_t length) {
    std::mt19937_64 random(7);
    std::vector<std::size_t> places(series.size());
    constexpr int draws = 400;
    double sum = 0, squares = 0;
    for (int i = 0; i < draws; ++i) {
        draw_blocks(series.size(), length, random, places);
        double mean = 0;
        for (const std::size_t place : places) mean += series[place];
        mean /= static_cast<double>(series.size());
        sum += mean;
        squares += mean * mean;
    }
    return std::sqrt(squares / draws - sum * sum / draws / draws);
}

TEST(BlockLength, IsShortForIndependentSamples) {
    std::vector<double> lengths;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        lengths.push_back(static_cast<double>(block_length(autoregressive(2000, 0, seed))));
    }
    EXPECT_LE(median(lengths).value(), 3);
}

// The best length follows from the autocovariances, and those of this series are known.
TEST(BlockLength, IsAboutTheBestForAnAutoregressiveSeries) {
    constexpr double n = 4000;
    for (const double memory : {0.3, 0.6, 0.8}) {
        // Autocovariances are m^k / (1 - m^2); the sum of |k| m^k over all k is 2 m / (1 - m)^2.
        const double bend = 2 * memory / (1 - memory) / (1 - memory) / (1 - memory * memory);
        const double spectrum = 1 / (1 - memory) / (1 - memory);
        const double best = std::cbrt(2 * bend * bend / (4.0 / 3 * spectrum * spectrum) * n);
        std::vector<double> lengths;
        for (std::uint64_t seed = 0; seed < 40; ++seed) {
            lengths.push_back(static_cast<double>(block_length(autoregressive(4000, memory, seed))));
        }
        EXPECT_NEAR(median(lengths).value() / best, 1, 0.25) << memory;
    }
}

TEST(BlockLength, GivesTheRightErrorOfTheMean) {
    constexpr std::size_t n = 4000;
    for (const double memory : {0.0, 0.5, 0.8}) {
        const double truth = 1 / (1 - memory) / std::sqrt(static_cast<double>(n));
        std::vector<double> errors;
        for (std::uint64_t seed = 0; seed < 15; ++seed) {
            const std::vector<double> series = autoregressive(n, memory, seed);
            errors.push_back(standard_error(series, block_length(series)) / truth);
        }
        EXPECT_NEAR(median(errors).value(), 1, 0.12) << memory;
    }
}

TEST(BlockLength, OfAlmostNothingIsOne) {
    EXPECT_EQ(block_length({}), 1U);
    const std::vector<double> few{1, 2, 3};
    EXPECT_EQ(block_length(few), 1U);
    EXPECT_EQ(block_length(std::vector<double>(1000, 5.0)), 1U);
}

TEST(BlockLength, StaysInItsBounds) {
    const bool held = rc::check("bounds", [] {
        const auto whole = *rc::gen::container<std::vector<int>>(rc::gen::inRange(-5, 6));
        const std::vector<double> series(whole.begin(), whole.end());
        const auto n = static_cast<double>(series.size());
        const auto length = static_cast<double>(block_length(series));
        RC_ASSERT(length >= 1 && length <= std::max(1.0, std::ceil(std::min(3 * std::sqrt(n), n / 3))));
    });
    EXPECT_TRUE(held);
}

TEST(DrawBlocks, AreNeighboursOfACircle) {
    const bool held = rc::check("blocks", [] {
        const auto size = static_cast<std::size_t>(*rc::gen::inRange(1, 50));
        const auto length = static_cast<std::size_t>(*rc::gen::inRange(1, 60));
        std::mt19937_64 random(*rc::gen::arbitrary<std::uint64_t>());
        std::vector<std::size_t> places(static_cast<std::size_t>(*rc::gen::inRange(0, 200)));
        draw_blocks(size, length, random, places);
        for (std::size_t i = 0; i < places.size(); ++i) {
            RC_ASSERT(places[i] < size);
            if (i % length != 0) RC_ASSERT(places[i] == (places[i - 1] + 1) % size);
        }
    });
    EXPECT_TRUE(held);
}

TEST(DrawBlocks, BeginEverywhere) {
    std::mt19937_64 random(1);
    std::vector<std::size_t> places(1000);
    draw_blocks(20, 1, random, places);
    EXPECT_EQ(std::set<std::size_t>(places.begin(), places.end()).size(), 20U);
}

}  // namespace
}  // namespace headrace::stats
