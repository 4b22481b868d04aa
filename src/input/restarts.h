// Workers that are started again for each pass over their loader.
#pragma once

#include <optional>
#include <span>

#include "headrace/finding.h"

namespace headrace::input {

struct RestartUse {
    std::span<const double> seconds;  // of each start but the first
    double run_seconds = 0;           // of the whole run
    bool evaluation = false;          // of evaluation's loader, otherwise of training's
    bool made_anew = false;           // the loader itself, for each pass
};

// The finding input.persistent_workers or evaluate.persistent_workers; none where it would save less than 1 % of the
// run. Its seconds are the starts themselves: a worker that goes on still has to be asked, which is next to nothing.
std::optional<Finding> advise_persistent(const RestartUse& use);

}  // namespace headrace::input
