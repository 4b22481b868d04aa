#include "stats/change_points.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stats/quantile.h"

namespace headrace::stats {
namespace {

constexpr double sigmas_per_deviation = 1.4826;  // of a normal distribution, to its median absolute deviation
constexpr double estimate_margin = 12;           // see the header

// The standard deviation of one value whose interval has weight 1.
double noise_of(const Channel& channel, std::span<const double> weights) {
    std::vector<double> steps;
    for (std::size_t i = 1; i < channel.values.size(); ++i) {
        const double variance = 1 / weights[i] + 1 / weights[i - 1];
        steps.push_back(std::abs(channel.values[i] - channel.values[i - 1]) / std::sqrt(variance));
    }
    return sigmas_per_deviation * median(steps).value_or(0);
}

// Sums up to each interval, so that the cost of any stretch takes a few operations.
class Costs {
public:
    Costs(std::span<const Channel> channels, std::span<const double> weights)
        : weight_(weights.size() + 1, 0), squares_(weights.size() + 1, 0) {
        const double typical = median(weights).value_or(1);
        for (std::size_t i = 0; i < weights.size(); ++i) weight_[i + 1] = weight_[i] + weights[i] / typical;
        for (const Channel& channel : channels) {
            const double noise = std::max(noise_of(channel, weights) / std::sqrt(typical), channel.least_noise);
            // From the mean: sums of large values would lose their differences.
            const double middle = mean(channel.values).value_or(0);
            std::vector<double>& sum = sums_.emplace_back(weights.size() + 1, 0);
            double squares = 0;
            for (std::size_t i = 0; i < weights.size(); ++i) {
                const double value = (channel.values[i] - middle) / noise;
                const double weight = weights[i] / typical;
                sum[i + 1] = sum[i] + weight * value;
                squares += weight * value * value;
                squares_[i + 1] += squares;
            }
        }
    }

    double of(std::size_t begin, std::size_t end) const {
        const double weight = weight_[end] - weight_[begin];
        double cost = squares_[end] - squares_[begin];
        for (const std::vector<double>& sum : sums_) {
            const double part = sum[end] - sum[begin];
            cost -= part * part / weight;
        }
        return cost;
    }

private:
    std::vector<double> weight_;
    std::vector<double> squares_;  // of all channels
    std::vector<std::vector<double>> sums_;
};

// The begins of the best stretches. `best[t]` is the least cost of the first t intervals.
std::vector<std::size_t> partition(const Costs& costs, std::size_t count, double penalty, std::size_t least) {
    std::vector<double> best(count + 1, std::numeric_limits<double>::infinity());
    std::vector<std::size_t> begin_of_last(count + 1, 0);
    best[0] = -penalty;
    struct Candidate {
        std::size_t begin;
        std::size_t until = std::numeric_limits<std::size_t>::max();  // the end from which on it can be left out
        double cost = 0;
    };
    std::vector<Candidate> candidates;
    for (std::size_t end = least; end <= count; ++end) {
        if (std::isfinite(best[end - least])) candidates.push_back({end - least});
        for (Candidate& candidate : candidates) {
            candidate.cost = best[candidate.begin] + costs.of(candidate.begin, end);
            if (candidate.cost + penalty < best[end]) {
                best[end] = candidate.cost + penalty;
                begin_of_last[end] = candidate.begin;
            }
        }
        // A begin that is worse than `end` by the penalty can never be the best again (theorem 3.1 of the paper), once
        // a stretch of the least length fits behind `end`.
        for (Candidate& candidate : candidates) {
            if (candidate.cost > best[end]) candidate.until = std::min(candidate.until, end + least);
        }
        std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.until <= end + 1; });
    }
    std::vector<std::size_t> begins;
    for (std::size_t end = count; end > 0; end = begin_of_last[end]) begins.push_back(begin_of_last[end]);
    std::reverse(begins.begin(), begins.end());
    return begins;
}

}  // namespace

std::vector<std::size_t> change_points(std::span<const Channel> channels, std::span<const double> weights,
                                       const ChangeOptions& options) {
    const std::size_t count = weights.size();
    if (count == 0) return {};
    const std::size_t least = std::clamp<std::size_t>(options.least_length, 1, count);
    const Costs costs(channels, weights);
    double penalty =
        2 * static_cast<double>(channels.size() + 1) * std::log(static_cast<double>(count)) + estimate_margin;
    std::vector<std::size_t> begins = partition(costs, count, penalty, least);
    while (begins.size() > std::max<std::size_t>(options.most_stretches, 1) && std::isfinite(penalty)) {
        penalty *= 2;
        begins = partition(costs, count, penalty, least);
    }
    return begins;
}

}  // namespace headrace::stats
