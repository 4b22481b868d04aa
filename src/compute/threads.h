// More intra-op threads than there are cores for them, from the recording alone.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "headrace/finding.h"
#include "headrace/probe.h"

namespace headrace::compute {

// Of a process that trains.
struct ProcessThreads {
    double set = 0;       // intra-op threads that it has
    double together = 1;  // of them that compute a step together: CPU time of the process for that of its thread
};

struct ThreadsUse {
    std::span<const ProcessThreads> processes;  // that train on this machine at once
    double cores = 0;                           // usable
    double compute_seconds = 0;                 // of the first of them, in forward and backward
    double run_seconds = 0;                     // of the whole run
    const Probe* probe = nullptr;               // null: none was made
    std::string probe_command;                  // that makes one
};

// The finding compute.threads where no replay could give it a gain: the processes have more threads than there are
// cores, and these do compute together. None where a probe measured that fewer of them win no 5 % of a step, where
// there is one thread for each process, or where steps are less than a tenth of the run.
std::optional<Finding> advise_threads(const ThreadsUse& use);

}  // namespace headrace::compute
