// The difference of the means of two groups of samples. Pure.
#pragma once

#include <cstddef>
#include <span>

#include "stats/student.h"

namespace headrace::stats {

// Of `after` less `before`, each of independent normal samples, and its two-sided interval: Welch, "The generalization
// of 'Student's' problem when several different population variances are involved", Biometrika 34, 1947. Each group has
// two samples or more.
MeanInterval difference_interval(std::span<const double> before, std::span<const double> after,
                                 double confidence = 0.9);

// A standard deviation that is known from so many differences of other samples.
struct KnownDeviation {
    double deviation = 0;
    double degrees = 0;  // at least 1
};

// The same, where a sample is known to deviate so: each group has one sample or more.
MeanInterval difference_interval(std::span<const double> before, std::span<const double> after,
                                 const KnownDeviation& known, double confidence = 0.9);

// The standard deviation within groups, pooled over all of them; 0 degrees where no group has two samples.
KnownDeviation pooled_deviation(std::span<const std::span<const double>> groups);

}  // namespace headrace::stats
