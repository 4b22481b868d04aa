#include "stats/trend.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "stats/quantile.h"
#include "stats/student.h"

namespace headrace::stats {

std::optional<CountTrend> count_trend(std::span<const double> counts, double confidence) {
    constexpr std::size_t fewest_counts = 4;
    if (counts.size() < fewest_counts) return std::nullopt;
    const auto size = static_cast<double>(counts.size());
    const double middle = (size - 1) / 2, mean_count = *mean(counts);
    double squares = 0, products = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double place = static_cast<double>(i) - middle;
        squares += place * place;
        products += place * (counts[i] - mean_count);
    }
    const double slope = products / squares;
    double residuals = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double left = counts[i] - mean_count - slope * (static_cast<double>(i) - middle);
        residuals += left * left;
    }
    const double variance = std::max(residuals / (size - 2), mean_count);
    const double half = student_quantile((1 + confidence) / 2, size - 2) * std::sqrt(variance / squares);
    return CountTrend{slope, slope - half, slope + half};
}

}  // namespace headrace::stats
