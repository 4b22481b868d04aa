#include "stats/two_means.h"

#include <algorithm>
#include <cmath>

#include "stats/quantile.h"

namespace headrace::stats {
namespace {

double mean_of(std::span<const double> samples) { return mean(samples).value_or(0); }

double squares_of(std::span<const double> samples) {
    const double middle = mean_of(samples);
    double squares = 0;
    for (const double sample : samples) squares += (sample - middle) * (sample - middle);
    return squares;
}

MeanInterval around(double difference, double error, double degrees, double confidence) {
    const double half = student_quantile((1 + confidence) / 2, degrees) * error;
    return {difference, difference - half, difference + half};
}

}  // namespace

MeanInterval difference_interval(std::span<const double> before, std::span<const double> after, double confidence) {
    const auto count_before = static_cast<double>(before.size()), count_after = static_cast<double>(after.size());
    const double of_before = squares_of(before) / (count_before - 1) / count_before;
    const double of_after = squares_of(after) / (count_after - 1) / count_after;
    const double variance = of_before + of_after;
    const double parts = of_before * of_before / (count_before - 1) + of_after * of_after / (count_after - 1);
    const double degrees = parts > 0 ? variance * variance / parts : count_before + count_after - 2;
    return around(mean_of(after) - mean_of(before), std::sqrt(variance), degrees, confidence);
}

MeanInterval difference_interval(std::span<const double> before, std::span<const double> after,
                                 const KnownDeviation& known, double confidence) {
    const double error =
        known.deviation * std::sqrt(1 / static_cast<double>(before.size()) + 1 / static_cast<double>(after.size()));
    return around(mean_of(after) - mean_of(before), error, known.degrees, confidence);
}

KnownDeviation pooled_deviation(std::span<const std::span<const double>> groups) {
    double squares = 0, degrees = 0;
    for (const std::span<const double> group : groups) {
        if (group.size() < 2) continue;
        squares += squares_of(group);
        degrees += static_cast<double>(group.size()) - 1;
    }
    return {degrees > 0 ? std::sqrt(squares / degrees) : 0, degrees};
}

}  // namespace headrace::stats
