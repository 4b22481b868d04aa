// Work that every run does again before its training.
#pragma once

#include <optional>
#include <vector>

#include "headrace/finding.h"
#include "headrace/probe.h"

namespace headrace::prep {

struct StartupUse {
    const StartupInputs& inputs;  // of this run
    double run_seconds = 0;
    // startup.setup of earlier runs of the same command that read the same, by content.
    std::vector<double> earlier;
};

// prep.startup: none without an earlier run, and where it is a small part of the run.
std::optional<Finding> advise_startup(const StartupUse& use);

}  // namespace headrace::prep
