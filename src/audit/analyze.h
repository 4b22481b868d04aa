// The audit of a recording whose spans are streamed: what headrace/audit.h does for a run in memory.
#pragma once

#include <vector>

#include "audit/recording.h"
#include "audit/training.h"
#include "headrace/ledger.h"

namespace headrace::audit {

struct Analysis {
    Audit audit;
    std::vector<Trainer> trainers;        // one for each rank of the audit
    std::vector<Nanoseconds> step_times;  // of rank 0: of its steps after the first
};

// With what was probed, where that was.
Analysis analyze(const Recording& recording, const Probe* probe = nullptr);

// What of an audit does not come from the spans: the run itself, hot lines, memory, the view from outside.
void add_outside_view(const Run& run, Audit& audit);

}  // namespace headrace::audit
