#include "compute/step.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace headrace::compute {
replay::Loop with_steps(replay::Loop loop, double factor) {
    for (replay::StepCost& step : loop.steps) {
        step.cpu *= factor;
        step.blocked *= factor;
    }
    return loop;
}

replay::Loop with_larger_batches(replay::Loop loop, unsigned times, double factor) {
    loop = with_steps(std::move(loop), factor / times);
    loop.together = times;
    return loop;
}

Gain gain_between(const StepUse& use, const replay::Loop& changed, double probe_error) {
    const double model = replay::model_error(use.recorded, changed, true);
    const replay::Gain won =
        replay::gain(use.recorded, changed, {.replicates = 100, .model_error = std::hypot(model, probe_error)});
    return headrace::gain_of({won.ratio, won.low, won.high}, use.loop_seconds);
}

}  // namespace headrace::compute
