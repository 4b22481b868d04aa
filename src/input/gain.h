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

}  // namespace headrace::input
