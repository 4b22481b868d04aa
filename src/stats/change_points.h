// Where a series changes its level. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace headrace::stats {

// One quantity of the series. `values` has a value for each interval.
struct Channel {
    std::vector<double> values;
    // Changes of much less than this do not matter, however quiet the series is. Above 0.
    double least_noise = 1;
};

struct ChangeOptions {
    // No stretch has fewer intervals than this. At least 1.
    std::size_t least_length = 3;
    // At most so many stretches: with more, the penalty is doubled until they are few enough, so that a series that
    // goes up and down all the time is one stretch of its mean. At least 1.
    std::size_t most_stretches = 40;
};

// The begins of the stretches of constant means that describe the channels best together, in order; the first is 0.
// Empty when there is no interval. `weights` are the lengths of the intervals: the noise of a mean over an interval
// falls with its length, and a long interval counts more.
//
// Minimises the weighted squared distance to the mean of each stretch, in units of the noise, plus a penalty for each
// change: the exact minimum, by PELT (Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a linear
// computational cost", JASA 107(500), 2012). The noise of each channel is that of its differences from one interval to
// the next, by their median absolute deviation, which changes of level do not disturb, and at least `least_noise`. The
// penalty is twice the Bayesian one for a change of all means and a place, 2 (channels + 1) log n and 12 more, because
// the noise is estimated: pure Gaussian noise of 20 to 4,000 intervals gives a false change in fewer than 1 of 100
// series. O(n) while changes come along, O(n^2) of very small steps for a long series without any.
//
// All channels have as many values as there are weights; values are finite and weights above 0.
std::vector<std::size_t> change_points(std::span<const Channel> channels, std::span<const double> weights,
                                       const ChangeOptions& options = {});

}  // namespace headrace::stats
