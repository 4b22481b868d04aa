#include "stats/student.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stats/quantile.h"

namespace headrace::stats {
namespace {

// The continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8) by Lentz's method (Applied
// Optics 15(3), 1976); it converges fast below x = (a + 1) / (a + b + 2).
double beta_fraction(double a, double b, double x) {
    constexpr double tiny = 1e-300;
    constexpr int most_terms = 10'000;
    const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
    for (int m = 1; m <= most_terms; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;
        for (const double term : {even, odd}) {
            d = 1 / away_from_zero(1 + term * d);
            c = away_from_zero(1 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (std::abs(change - 1) < std::numeric_limits<double>::epsilon()) break;
    }
    return fraction;
}

// I_x(a, b), the regularised incomplete beta function.
double incomplete_beta(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const double front =
        std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

// How likely it is that |t| is above `t`.
double two_sided_tail(double t, double degrees) {
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
}

}  // namespace

double student_quantile(double p, double degrees) {
    const double tail = 2 * std::min(p, 1 - p);
    double low = 0, high = 1;
    while (two_sided_tail(high, degrees) > tail && high < 1e150) high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; ++i) {
        const double middle = (low + high) / 2;
        (two_sided_tail(middle, degrees) > tail ? low : high) = middle;
    }
    const double t = (low + high) / 2;
    return p < 0.5 ? -t : t;
}

std::optional<MeanInterval> mean_interval(std::span<const double> samples, double confidence) {
    if (samples.size() < 2) return std::nullopt;
    const double mean = *stats::mean(samples);
    double squares = 0;
    for (const double sample : samples) squares += (sample - mean) * (sample - mean);
    const auto count = static_cast<double>(samples.size());
    const double error = std::sqrt(squares / (count - 1) / count);
    const double half = student_quantile((1 + confidence) / 2, count - 1) * error;
    return MeanInterval{mean, mean - half, mean + half};
}

}  // namespace headrace::stats
