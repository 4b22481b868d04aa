#include "compute/step.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace headrace::compute {
namespace {

constexpr double normal_quantile = 1.6448536269514722;  // of the end of a 90 % interval

// Blocks of a second or two see less of a machine's moods than a whole run.
constexpr double least_spread = 0.01;

double spread_in(const ProbeCase& one) {
    if (one.low <= 0) return least_spread;
    return std::max(least_spread, std::log(one.high / one.low) / (2 * normal_quantile));
}

}  // namespace

std::optional<StepChange> change_of(const Probe& probe, const ProbeCase* changed) {
    const ProbeCase* own = own_case(probe);
    if (own == nullptr || changed == nullptr || own->median <= 0) return std::nullopt;
    return StepChange{changed->median / own->median, std::hypot(spread_in(*own), spread_in(*changed))};
}

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

double spread_of(const replay::Loop& slower, const replay::Loop& faster) {
    const double slow = replay::mean_step(replay::middle_of(slower));
    const double fast = replay::mean_step(replay::middle_of(faster));
    return std::abs(std::log(slow / fast)) / 2;
}

Gain gain_between(const StepUse& use, const replay::Loop& changed, double probe_error) {
    const double model = replay::model_error(use.recorded, changed, true);
    const replay::Gain won =
        replay::gain(use.recorded, changed, {.replicates = 100, .model_error = std::hypot(model, probe_error)});
    return headrace::gain_of({won.ratio, won.low, won.high}, use.loop_seconds);
}

}  // namespace headrace::compute
