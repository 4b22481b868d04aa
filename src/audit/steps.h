// How long the steps of a trainer took.
#pragma once

#include <cstddef>
#include <vector>

#include "audit/timeline.h"

namespace headrace::audit {

// Time of each step after the first: from the end of the step before, what is no part of a step taken out.
class StepTimes {
public:
    explicit StepTimes(const std::vector<Nanoseconds>& steps);

    // Segments come in order.
    void take_out(const Segment& segment);

    const std::vector<Nanoseconds>& times() const { return times_; }

private:
    const std::vector<Nanoseconds>& steps_;
    std::vector<Nanoseconds> times_;
    std::size_t at_ = 0;
};

}  // namespace headrace::audit
