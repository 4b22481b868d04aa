#include "audit/steps.h"

#include <algorithm>

namespace headrace::audit {

StepTimes::StepTimes(const std::vector<Nanoseconds>& steps) : steps_(steps) {
    for (std::size_t i = 1; i < steps.size(); ++i) {
        times_.push_back(steps[i] - steps[i - 1]);
    }
}

void StepTimes::take_out(const Segment& segment) {
    if (segment.entry != Entry::evaluation && segment.entry != Entry::checkpoint && segment.entry != Entry::logging) {
        return;
    }
    while (at_ < times_.size() && steps_[at_ + 1] <= segment.begin) {
        ++at_;
    }
    for (std::size_t i = at_; i < times_.size() && steps_[i] < segment.end; ++i) {
        times_[i] -= std::min(segment.end, steps_[i + 1]) - std::max(segment.begin, steps_[i]);
    }
}

}  // namespace headrace::audit
