#include "stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/quantile.h"

namespace headrace::stats {
namespace {

constexpr std::size_t fewest = 10;

// 1 in the inner half of the window, then down to 0 at its end.
double flat_top(double place) { return std::clamp(2 * (1 - std::abs(place)), 0.0, 1.0); }

double autocovariance(std::span<const double> centred, std::size_t lag) {
    double sum = 0;
    for (std::size_t i = lag; i < centred.size(); ++i) sum += centred[i] * centred[i - lag];
    return sum / static_cast<double>(centred.size());
}

}  // namespace

std::size_t block_length(std::span<const double> series) {
    if (series.size() < fewest) return 1;
    const auto n = static_cast<double>(series.size());
    std::vector<double> centred(series.begin(), series.end());
    const double middle = *mean(series);
    for (double& value : centred) value -= middle;
    const double variance = autocovariance(centred, 0);
    if (!(variance > 0)) return 1;

    // The lag after which so many in a row are no larger than those of independent samples.
    const auto in_a_row = static_cast<std::size_t>(std::max(5.0, std::ceil(std::sqrt(std::log10(n)))));
    const double significant = 2 * std::sqrt(std::log10(n) / n);
    const auto most = std::min(series.size() - 1, static_cast<std::size_t>(std::ceil(std::sqrt(n))) + in_a_row);
    std::vector<double> covariances{variance};
    std::size_t last = 0;  // the last lag that was significant
    for (std::size_t lag = 1; lag <= most && lag <= last + in_a_row; ++lag) {
        covariances.push_back(autocovariance(centred, lag));
        if (std::abs(covariances.back()) >= significant * variance) last = lag;
    }
    const std::size_t width = std::min(std::max<std::size_t>(2 * last, 1), most);
    while (covariances.size() <= width) covariances.push_back(autocovariance(centred, covariances.size()));

    double spectrum = variance;  // at frequency 0
    double bend = 0;
    for (std::size_t lag = 1; lag <= width; ++lag) {
        const double weighted = flat_top(static_cast<double>(lag) / static_cast<double>(width)) * covariances[lag];
        spectrum += 2 * weighted;
        bend += 2 * static_cast<double>(lag) * weighted;
    }
    const double longest = std::max(1.0, std::ceil(std::min(3 * std::sqrt(n), n / 3)));
    if (!(spectrum > 0)) return static_cast<std::size_t>(longest);  // hardly a mean to speak of: keep all that belongs
    const double length = std::cbrt(2 * bend * bend / (4.0 / 3 * spectrum * spectrum) * n);
    return static_cast<std::size_t>(std::clamp(std::round(length), 1.0, longest));
}

void draw_blocks(std::size_t size, std::size_t length, std::mt19937_64& random, std::span<std::size_t> indices) {
    std::size_t place = 0;
    for (std::size_t i = 0; i < indices.size(); ++i) {
        // Not std::uniform_int_distribution, which each library does in its own way. The bias is below 2^-40 here.
        if (i % length == 0) place = static_cast<std::size_t>(random() % size);
        indices[i] = place;
        place = place + 1 == size ? 0 : place + 1;
    }
}

}  // namespace headrace::stats
