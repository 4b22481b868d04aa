#include "audit/samples.h"

#include <algorithm>

namespace headrace::audit {
namespace {

// `later` stands for both: its counters hold those of `earlier`.
OutsidePoint merged(const OutsidePoint& earlier, OutsidePoint later) {
    later.resident_bytes = std::max(later.resident_bytes, earlier.resident_bytes);
    later.processes = std::max(later.processes, earlier.processes);
    return later;
}

}  // namespace

Samples::Samples(std::size_t most) : most_(std::max<std::size_t>(most, 4)) {}

// A tenth less than the time between looks, so that a look that comes a little early is kept.
Nanoseconds Samples::spacing(Nanoseconds when) const {
    const bool dense = when - points_.front().when < dense_for;
    return (dense ? dense_every : sparse_every) / 10 * 9 * scale_;
}

void Samples::thin() {
    std::size_t kept = 1;  // the first point is where everything is 0
    for (std::size_t i = 1; i < points_.size(); i += 2) {
        const bool pair = i + 1 < points_.size();
        points_[kept++] = pair ? merged(points_[i], points_[i + 1]) : points_[i];
    }
    points_.resize(kept);
    scale_ *= 2;
}

void Samples::add(const OutsidePoint& point) {
    const OutsidePoint now = pending_ ? merged(last_, point) : point;
    pending_ = !points_.empty() && now.when - points_.back().when < spacing(now.when);
    last_ = now;
    if (pending_) return;
    if (points_.size() + 1 >= most_) thin();  // one place is kept for the last point
    points_.push_back(now);
}

std::vector<OutsidePoint> Samples::points() const {
    std::vector<OutsidePoint> all = points_;
    if (pending_) all.push_back(last_);
    return all;
}

}  // namespace headrace::audit
