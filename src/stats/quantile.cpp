#include "stats/quantile.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace headrace::stats {

std::optional<double> quantile(std::span<const double> samples, double p) {
    if (samples.empty()) return std::nullopt;
    std::vector<double> values(samples.begin(), samples.end());
    const double position = std::clamp(p, 0.0, 1.0) * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::ptrdiff_t>(std::floor(position));
    const auto lower = values.begin() + below;
    std::nth_element(values.begin(), lower, values.end());
    const double fraction = position - std::floor(position);
    if (fraction == 0) return *lower;
    // All that stands behind nth is at least as large: the next order statistic is the least of it.
    const double upper = *std::min_element(lower + 1, values.end());
    return std::lerp(*lower, upper, fraction);
}

std::optional<QuantileInterval> quantile_interval(std::span<const double> samples, double p) {
    if (samples.empty()) return std::nullopt;
    std::vector<double> values(samples.begin(), samples.end());
    std::sort(values.begin(), values.end());
    const auto size = static_cast<double>(values.size());
    const double order = std::clamp(p, 0.0, 1.0);
    constexpr double normal_quantile = 1.6448536269514722;  // of the end of that interval
    const double half = normal_quantile * std::sqrt(size * order * (1 - order));
    const auto at = [&](double rank) {  // from 1
        return values[static_cast<std::size_t>(std::clamp(rank, 1.0, size)) - 1];
    };
    return QuantileInterval{at(std::floor(size * order - half)), at(std::ceil(size * order + half) + 1)};
}

std::optional<double> median(std::span<const double> samples) { return quantile(samples, 0.5); }

std::optional<double> mean(std::span<const double> samples) {
    if (samples.empty()) return std::nullopt;
    double sum = 0;
    double lost = 0;
    for (const double sample : samples) {
        const double next = sum + sample;
        lost += std::abs(sum) >= std::abs(sample) ? (sum - next) + sample : (sample - next) + sum;
        sum = next;
    }
    return (sum + lost) / static_cast<double>(samples.size());
}

}  // namespace headrace::stats
