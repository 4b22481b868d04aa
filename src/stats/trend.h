// Whether counts rise or fall. Pure.
#pragma once

#include <optional>
#include <span>

namespace headrace::stats {

// The change of a count from one place to the next, and the ends of its two-sided interval.
struct CountTrend {
    double change = 0;
    double low = 0;
    double high = 0;
};

// The slope of the least-squares line through counts that stand equally far apart, with Student's interval of n - 2
// degrees of freedom (Draper and Smith, "Applied Regression Analysis", 3rd ed., 1998, section 1.4). The variance about
// the line is taken from the residuals, but never for less than the mean of the counts, which is that of a Poisson
// process: a few counts that lie on a line by chance tell no trend (the dispersion of McCullagh and Nelder,
// "Generalized Linear Models", 2nd ed., 1989, section 6.2.3, bounded below by 1). None of fewer than four counts.
std::optional<CountTrend> count_trend(std::span<const double> counts, double confidence = 0.9);

}  // namespace headrace::stats
