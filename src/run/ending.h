// How a run ended that is stored as running: as far as its folder and the machine's processes say.
#pragma once

#include "headrace/run.h"
#include "run/store.h"

namespace headrace::run {

// Whether the recording headrace or the command of a run that is stored as running lives.
bool going_on(const RunInfo& info);

// Gives a run that is stored as running and goes on no longer its outcome: finished when the command's interpreter
// had begun to shut down, else killed. Reads one page of each spool file of the command's process.
void conclude(const Folder& folder, RunInfo& info);

}  // namespace headrace::run
