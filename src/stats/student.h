// Student's t distribution. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace headrace::stats {

// The quantile of order p (0 < p < 1) with `degrees` (at least 1) degrees of freedom, to 12 digits: the root of the
// distribution function, which is a regularised incomplete beta function (Abramowitz and Stegun 26.7.1).
double student_quantile(double p, double degrees);

// The mean of independent samples and the ends of its two-sided interval, normal samples supposed.
struct MeanInterval {
    double mean = 0;
    double low = 0;
    double high = 0;
};

// None of fewer than two samples. `confidence` is between 0 and 1.
std::optional<MeanInterval> mean_interval(std::span<const double> samples, double confidence = 0.9);

}  // namespace headrace::stats
