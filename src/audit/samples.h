// The time series of a run as seen from outside, in bounded memory whatever the length of the run.
#pragma once

#include <cstddef>
#include <vector>

#include "headrace/run.h"

namespace headrace::audit {

inline constexpr Nanoseconds dense_for = 10'000'000'000;  // from the start: short programs need more points
inline constexpr Nanoseconds dense_every = 100'000'000;   // in that time
inline constexpr Nanoseconds sparse_every = 500'000'000;  // afterwards
inline constexpr std::size_t most_samples = 4000;         // 33 minutes before the first thinning

// Keeps at most `most` points (at least 4): when it is full, neighbours are merged in pairs and the time between
// points doubles. A point that comes too soon is merged with the next one. Nothing that is summed is lost by merging,
// and of what is not (resident bytes, processes) the largest stays.
class Samples {
public:
    explicit Samples(std::size_t most = most_samples);

    void add(const OutsidePoint& point);

    // All points, the last one added included.
    std::vector<OutsidePoint> points() const;

private:
    Nanoseconds spacing(Nanoseconds when) const;
    void thin();

    std::size_t most_;
    Nanoseconds scale_ = 1;
    std::vector<OutsidePoint> points_;
    bool pending_ = false;
    OutsidePoint last_;  // when pending_: came too soon
};

}  // namespace headrace::audit
