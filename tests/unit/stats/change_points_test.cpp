#include "stats/change_points.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

namespace headrace::stats {
namespace {

using Begins = std::vector<std::size_t>;

std::vector<double> ones(std::size_t count) { return std::vector<double>(count, 1.0); }

// A level for each stretch, in Gaussian noise of deviation 1 where `random` is given.
std::vector<double> levels(const std::vector<std::pair<std::size_t, double>>& stretches, std::mt19937* random,
                           double deviation = 1) {
    std::vector<double> values;
    std::normal_distribution<double> noise(0, deviation);
    for (const auto& [length, level] : stretches) {
        for (std::size_t i = 0; i < length; ++i) values.push_back(level + (random != nullptr ? noise(*random) : 0));
    }
    return values;
}

Begins of(const std::vector<double>& values, double least_noise = 0.01, ChangeOptions options = {}) {
    const Channel channel{values, least_noise};
    return change_points({&channel, 1}, ones(values.size()), options);
}

TEST(ChangePoints, OfNothingAreNone) {
    EXPECT_TRUE(change_points({}, {}).empty());
    EXPECT_EQ(of({7}), Begins{0});
    EXPECT_EQ(of({7, 9}), Begins{0});
    EXPECT_EQ(change_points({}, ones(10)), Begins{0});
}

TEST(ChangePoints, AreWhereALevelChanges) {
    EXPECT_EQ(of(levels({{20, 1}, {20, 0}, {15, 2}, {12, 0.3}}, nullptr)), (Begins{0, 20, 40, 55}));
    EXPECT_EQ(of(levels({{3, 5}, {50, 0}, {3, 5}}, nullptr)), (Begins{0, 3, 53}));
}

TEST(ChangePoints, LeaveOutWhatIsShorterThanTheLeastLength) {
    EXPECT_EQ(of(levels({{20, 0}, {1, 9}, {20, 0}}, nullptr), 4.0), Begins{0});
    const Begins begins = of(levels({{20, 0}, {2, 9}, {20, 0}}, nullptr), 0.01, {5, 40});
    for (std::size_t i = 1; i < begins.size(); ++i) EXPECT_GE(begins[i] - begins[i - 1], 5U);
}

TEST(ChangePoints, LeaveOutWhatIsSmallerThanTheLeastNoise) {
    const std::vector<double> step = levels({{30, 1}, {30, 1.05}}, nullptr);
    EXPECT_EQ(of(step, 0.05), Begins{0});
    EXPECT_EQ(of(step, 0.01), (Begins{0, 30}));
}

TEST(ChangePoints, MakeOneStretchOfWhatGoesUpAndDownAllTheTime) {
    std::vector<std::pair<std::size_t, double>> stretches;
    for (int i = 0; i < 200; ++i) stretches.emplace_back(5, i % 2);
    stretches.emplace_back(500, 4);
    const Begins begins = of(levels(stretches, nullptr));
    EXPECT_LE(begins.size(), 40U);
    EXPECT_NE(std::find(begins.begin(), begins.end(), 1000U), begins.end()) << "the one change that matters stays";
}

TEST(ChangePoints, SeeAChangeInAnyChannel) {
    const std::vector<Channel> channels = {{levels({{40, 1}, {20, 2}}, nullptr), 0.1},
                                           {levels({{20, 1}, {40, 2}}, nullptr), 0.1}};
    EXPECT_EQ(change_points(channels, ones(60)), (Begins{0, 20, 40}));
}

// The same series in intervals of other lengths has its changes at the same times.
TEST(ChangePoints, WeighIntervalsByTheirLength) {
    const std::vector<double> dense = levels({{40, 1}, {60, 2}}, nullptr);
    Channel channel{{}, 0.05};
    std::vector<double> weights;
    for (std::size_t i = 0; i < 20; ++i) channel.values.push_back(dense[i]), weights.push_back(1);
    for (std::size_t i = 20; i < 100; i += 5) channel.values.push_back(dense[i]), weights.push_back(5);
    EXPECT_EQ(change_points({&channel, 1}, weights), (Begins{0, 24}));  // 20 + 4 * 5 = 40
}

struct Planted {
    std::vector<std::pair<std::size_t, double>> stretches;
    Begins begins;
};

// One to seven stretches of 15 to 120 intervals whose levels differ by five deviations or more.
Planted plant(std::mt19937& random) {
    constexpr std::array<double, 4> jumps = {-5, 5, 9, -40};
    Planted planted;
    std::size_t at = 0;
    double level = 0;
    for (std::size_t left = 1 + random() % 7; left > 0; --left) {
        planted.stretches.emplace_back(15 + random() % 106, level);
        planted.begins.push_back(at);
        at += planted.stretches.back().first;
        level += jumps[random() % jumps.size()];
    }
    return planted;
}

bool is_near(std::size_t one, std::size_t other) { return std::max(one, other) - std::min(one, other) <= 2; }

// Each is found within two intervals of its place; what is found besides is rare. The series are always the same ones.
TEST(ChangePoints, FindPlantedSteps) {
    constexpr int series = 400;
    int exact = 0;
    for (unsigned seed = 0; seed < series; ++seed) {
        std::mt19937 random(seed);
        const Planted planted = plant(random);
        const Begins found = of(levels(planted.stretches, &random));
        for (const std::size_t begin : planted.begins) {
            EXPECT_TRUE(std::any_of(found.begin(), found.end(), [&](std::size_t f) { return is_near(f, begin); }))
                << "series " << seed << ", the change at " << begin;
        }
        exact += found.size() == planted.begins.size() ? 1 : 0;
    }
    EXPECT_GE(exact, series * 95 / 100);
}

double squared_distance(const std::vector<double>& values, std::size_t begin, std::size_t end) {
    double mean = 0;
    for (std::size_t i = begin; i < end; ++i) mean += values[i] / static_cast<double>(end - begin);
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += (values[i] - mean) * (values[i] - mean);
    return sum;
}

double cost_of(const std::vector<double>& values, const Begins& begins, double penalty) {
    double cost = 0;
    for (std::size_t i = 0; i < begins.size(); ++i) {
        cost += penalty + squared_distance(values, begins[i], i + 1 < begins.size() ? begins[i + 1] : values.size());
    }
    return cost;
}

// What is found costs as little as the best of all partitions, tried one by one. Every value stands twice or more, so
// that half of the steps are 0 and the noise is what the caller says.
TEST(ChangePoints, AreTheBestOfAll) {
    const bool held = rc::check("try all", [] {
        constexpr std::size_t least = 3;
        std::vector<double> values;
        while (values.size() < 12) {
            const double value = *rc::gen::inRange(0, 12);
            values.insert(values.end(), *rc::gen::element<std::size_t>(2, 3), value);
        }
        const std::size_t count = values.size();
        const double penalty = 4 * std::log(static_cast<double>(count)) + 12;
        double best = std::numeric_limits<double>::infinity();
        for (unsigned set = 0; set < 1U << (count - 1); ++set) {
            Begins begins{0};
            for (std::size_t i = 1; i < count; ++i) {
                if ((set >> (i - 1) & 1U) != 0) begins.push_back(i);
            }
            bool allowed = count - begins.back() >= least;
            for (std::size_t i = 1; i < begins.size(); ++i) allowed = allowed && begins[i] - begins[i - 1] >= least;
            if (allowed) best = std::min(best, cost_of(values, begins, penalty));
        }
        RC_ASSERT(std::abs(cost_of(values, of(values, 1.0), penalty) - best) < 1e-6);
    });
    EXPECT_TRUE(held);
}

// The scale and the level of a series mean nothing: only the noise does.
TEST(ChangePoints, DoNotDependOnUnitsOrOrigin) {
    const bool held = rc::check("scale and shift", [] {
        std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
        const std::vector<double> values = levels({{40, 0}, {30, 4}, {50, 1}}, &random);
        std::vector<double> changed = values;
        for (double& value : changed) value = value * 1024 + 65536;
        RC_ASSERT(of(values, 1e-9) == of(changed, 1e-9));
    });
    EXPECT_TRUE(held);
}

// The rate that the header states. Fixed seeds: the test cannot fail by chance.
TEST(ChangePoints, SeeNothingInNoise) {
    std::mt19937 random(20261124);
    for (const auto& [length, series] : {std::pair{20, 600}, {60, 400}, {300, 100}, {1000, 5}}) {
        for (const int channels : {1, 3}) {
            int wrong = 0;
            for (int i = 0; i < series; ++i) {
                std::vector<Channel> noise;
                for (int c = 0; c < channels; ++c)
                    noise.push_back({levels({{static_cast<std::size_t>(length), 0}}, &random), 1e-9});
                wrong += change_points(noise, ones(static_cast<std::size_t>(length))).size() != 1 ? 1 : 0;
            }
            EXPECT_LE(wrong * 100, series) << length << " intervals, " << channels << " channels";
        }
    }
}

}  // namespace
}  // namespace headrace::stats
