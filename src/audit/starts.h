// What the starts of loader workers cost, and how much an evaluation reads.
#pragma once

#include <cstddef>
#include <vector>

#include "audit/training.h"

namespace headrace::audit {

// The starts of workers that were started again: those of every pass but the first, from its __iter__ to the begin of
// the fetch of its first batch.
struct Restarts {
    std::vector<double> seconds;
};

struct LoaderStarts {
    double first = 0;  // of the training loader's workers, in its first pass; 0 where it has none
    Restarts training;
    Restarts evaluation;
    bool made_anew = false;      // the training loader, for each of its passes
    double evaluation_rows = 0;  // samples of an evaluation, the mean; 0 where unknown
};

LoaderStarts loader_starts(const Recording& recording, const Trainer& trainer);

}  // namespace headrace::audit
