// The right number of loader workers, as a prediction: what each joint point of workers and prefetch factor would make
// of the loop that was recorded.
#pragma once

#include <cstdint>
#include <optional>

#include "headrace/finding.h"
#include "replay/predict.h"

namespace headrace::input {

// The loop of a run and its loader. `recorded` has at least one step and must outlive this.
struct LoaderUse {
    const replay::Loop& recorded;
    double collate = 0;       // CPU seconds for the collation of a batch
    double loop_seconds = 0;  // that the run spent in steps with their waits
    double wait_share = 0;    // of them, for input
    bool persistent = false;
    std::uint64_t passes = 1;  // over the loader
};

// The same loop with another number of workers. What a batch costs on its way from a worker, where none was recorded,
// is a guess from the size that its collation tells.
replay::Loop with_workers(const LoaderUse& use, unsigned workers, unsigned prefetch_factor);

// The standard deviation of the logarithm of a predicted ratio between the two, by what the model gets wrong.
double model_error(const replay::Loop& recorded, const replay::Loop& changed);

// The point that is predicted to be fastest, as the finding input.workers; none where no point wins 5 %.
std::optional<Finding> advise_workers(const LoaderUse& use);

}  // namespace headrace::input
