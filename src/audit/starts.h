// What the starts of loader workers cost, and how much an evaluation reads.
#pragma once

#include <cstddef>
#include <vector>

#include "audit/training.h"

namespace headrace::audit {

// The starts of workers that were started again: those of every pass over a loader but its first, from its __iter__ to
// the begin of the fetch of its first batch. Loaders that the same line makes with the same sampler are one.
struct Restarts {
    std::vector<double> seconds;
    bool made_anew = false;  // the loader, for each of its passes
};

struct LoaderStarts {
    double first = 0;  // of the training loader's workers, in its first pass; 0 where it has none
    Restarts training;
    Restarts evaluation;
    double evaluation_rows = 0;  // samples of an evaluation, the mean; 0 where unknown
};

LoaderStarts loader_starts(const Recording& recording, const Trainer& trainer);

}  // namespace headrace::audit
