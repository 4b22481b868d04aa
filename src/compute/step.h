// A recorded loop whose steps take another time, by what a probe measured. Shared by what this module advises.
#pragma once

#include <cmath>
#include <optional>
#include <span>

#include "headrace/finding.h"
#include "headrace/probe.h"
#include "replay/points.h"

namespace headrace::compute {

// The loop of a run that the replay reproduces, and what a probe measured of its steps. `recorded` has at least one
// step; it and `probe` must outlive this.
struct StepUse {
    const replay::Loop& recorded;
    const Probe& probe;
    replay::Transport transport = {};  // of its batches
    double loop_seconds = 0;           // that the run spent in steps with their waits
    // Other numbers of intra-op threads whose steps were measured; empty where none was.
    std::span<const replay::ThreadPoint> threads = {};
    bool persistent = false;                         // the loader's workers stay
    std::uint64_t passes = 1;                        // over the loader
    bool made_anew = false;                          // the loader, for each pass
    std::optional<std::uint64_t> loader_batch = {};  // absent where the program batches by a sampler of its own
    std::int64_t memory_bytes = 0;                   // of the machine; 0: not known
    bool accelerator = false;
    bool divides_itself = false;  // the dataset is a stream, of which each worker takes its part
};

// The same loop with steps that take `factor` as long.
replay::Loop with_steps(replay::Loop loop, double factor);

// The same loop with batches `times` as large, of which a step takes `factor` of that of a recorded one. Making,
// sending and receiving a batch takes as long as its parts did.
replay::Loop with_larger_batches(replay::Loop loop, unsigned times, double factor);

// What the changed loop wins; `probe_error` is the standard deviation of the logarithm of the ratio that what was
// measured leaves open.
Gain gain_between(const StepUse& use, const replay::Loop& changed, double probe_error);

// What a change of the steps wins, the spread of the probe in its interval. `changed_by(factor)` is the loop changed.
// `more_error` is what else is not known.
template <class Change>
Gain gain_of(const StepUse& use, const StepChange& step, Change changed_by, double more_error = 0) {
    const double slow = step.factor * (1 + step.error), fast = step.factor / (1 + step.error);
    const double error = std::hypot(replay::spread_of(changed_by(slow), changed_by(fast)), more_error);
    return gain_between(use, changed_by(step.factor), error);
}

}  // namespace headrace::compute
