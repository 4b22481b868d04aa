// Order statistics and means of samples. Pure; the input is not changed and need not be sorted.
// The samples are finite numbers; an empty list has no quantile and no mean.
#pragma once

#include <optional>
#include <span>

namespace headrace::stats {

// The sample quantile of order p (0 to 1; values outside are taken as the nearest end), linear between the order
// statistics floor and ceiling of (n - 1) p: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages",
// The American Statistician 50(4), 1996. It is the default of R and NumPy. O(n).
std::optional<double> quantile(std::span<const double> samples, double p);

// The 90 % confidence interval of the quantile of order p, from the order statistics whose ranks are the binomial ones,
// by its normal approximation: David and Nagaraja, "Order Statistics", 3rd ed., 2003, section 7.1. It asks nothing of
// the distribution, and takes the samples as independent. Its ends are samples: where there are too few, the extreme
// ones.
struct QuantileInterval {
    double low = 0;
    double high = 0;
};
std::optional<QuantileInterval> quantile_interval(std::span<const double> samples, double p);

// The quantile of order 0.5.
std::optional<double> median(std::span<const double> samples);

// The arithmetic mean, summed with Neumaier's compensation ("Rundungsfehleranalyse einiger Verfahren zur Summation
// endlicher Summen", ZAMM 54, 1974), so that many small samples beside a large one are not lost.
std::optional<double> mean(std::span<const double> samples);

}  // namespace headrace::stats
