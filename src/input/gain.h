// The gain of a change of the recorded loop, as a finding shows it.
#pragma once

#include "headrace/finding.h"
#include "replay/predict.h"

namespace headrace::input {

// A loop as it was recorded, and the seconds that the run spent in its steps with their waits. Must outlive this.
struct LoopUse {
    const replay::Loop& recorded;
    double loop_seconds = 0;
};

// `model_error`: the standard deviation of the logarithm of the ratio by what the model gets wrong.
Gain gain_of(const LoopUse& use, const replay::Loop& changed, double model_error);

// The same of a change that leaves a part of some cost which is not known, but guessed: `changed(left)` is the loop
// with so much of it. The interval reaches from what the larger guess wins to what the smaller one does.
template <class Changed>
Gain gain_of_guess(const LoopUse& use, Changed changed, const Interval& left, double model_error) {
    Gain gain = gain_of(use, changed(left.predicted), model_error);
    const Gain least = gain_of(use, changed(left.high), model_error),
               most = gain_of(use, changed(left.low), model_error);
    gain.ratio.low = least.ratio.low;
    gain.ratio.high = most.ratio.high;
    gain.seconds_per_run.low = least.seconds_per_run.low;
    gain.seconds_per_run.high = most.seconds_per_run.high;
    return gain;
}

}  // namespace headrace::input
