// What trials have taught, put into an audit.
#pragma once

#include <filesystem>
#include <vector>

#include "headrace/ledger.h"
#include "headrace/trial.h"

namespace headrace::audit {

// Makes the intervals of the findings wider or narrower by what trials of their kinds have shown before this run, in
// the history of `home`; without one they stay.
void learn(Audit& audit, const std::filesystem::path& home);

// Puts what the run's own trials have measured beside what was predicted: of each finding the newest that tried it
// alone. `trials` are in the order of their start.
void add_trials(Audit& audit, const std::vector<Trial>& trials);

}  // namespace headrace::audit
