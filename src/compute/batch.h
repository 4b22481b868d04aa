// A batch that is too small for what a step costs whatever is in it.
#pragma once

#include <optional>

#include "compute/step.h"

namespace headrace::compute {

// The time of a step as a line: `fixed` + `per_sample` * samples, in seconds. Least squares through the batch sizes
// that were probed. Neither is below 0.
struct StepLine {
    double fixed = 0;
    double per_sample = 0;

    // The batch of which half the step is fixed; infinite where no cost of a sample was seen.
    double knee() const noexcept;
};

// None with fewer than two batch sizes.
std::optional<StepLine> line_of(const Probe& probe);

// The finding compute.batch: twice the batch, with the workers, prefetch factor and threads that this batch needs where
// they matter. None where that is not predicted to win 5 %, or wins no 5 % more than the best of these with the batch
// as it is: then the loader is the limit, and the finding is input.workers. None either where the process came near the
// machine's memory with it.
std::optional<Finding> advise_batch(const StepUse& use);

}  // namespace headrace::compute
