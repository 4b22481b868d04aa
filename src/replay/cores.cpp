#include "replay/cores.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>

namespace headrace::replay {

Cores::Cores(std::vector<double> throughput)
    : count_(static_cast<double>(throughput.size())), throughput_(std::move(throughput)) {}

Cores Cores::alike(double count, double added) {
    std::vector<double> throughput{1};
    const auto whole = static_cast<std::size_t>(std::ceil(count));
    while (throughput.size() < whole) throughput.push_back(throughput.back() + added);
    Cores cores(std::move(throughput));
    cores.count_ = count;
    return cores;
}

Cores Cores::crowded(double share) const {
    Cores cores = *this;
    cores.crowded_ = count_ < 2 ? 1 : share;  // a single core has no other one to leave idle
    return cores;
}

Cores Cores::first(unsigned count) const {
    const auto end = throughput_.begin() + std::clamp<std::ptrdiff_t>(count, 1, std::ssize(throughput_));
    return Cores(std::vector<double>(throughput_.begin(), end)).crowded(crowded_);
}

double Cores::rate(double threads) const noexcept {
    const double busy = std::min(threads, count_);
    const double kept = 1 - (1 - crowded_) * std::clamp((threads - count_ + 1) / 2, 0.0, 1.0);
    if (busy <= 1) return kept * busy / threads;
    const auto whole = static_cast<std::size_t>(busy);
    const double lower = throughput_[whole - 1];
    const double upper = whole < throughput_.size() ? throughput_[whole] : lower;
    return kept * std::lerp(lower, upper, busy - static_cast<double>(whole)) / threads;
}

}  // namespace headrace::replay
