// How a run ended that is stored as running: as far as its folder and the machine's processes say.
#pragma once

#include <optional>

#include "headrace/run.h"
#include "run/store.h"

namespace headrace::run {

// What can be seen from here of a run that is stored as running.
struct Life {
    bool going_on = false;  // it is recorded, or processes of it go on, or nothing says that it has ended
    bool here = true;       // it was recorded on this machine: its processes can be looked for, and its clock is ours
};
Life life_of(const Folder& folder, const RunInfo& info);

// What the way in which a command ended says of it.
Outcome outcome_of(const std::optional<int>& exit_code, const std::optional<int>& signal);

// Notes ended_ns, exit_code and signal in the control page of the spool, which needs no space on the disk. Where that
// cannot be (the folder is gone), nothing is noted.
void note_end(const Folder& folder, const RunInfo& info);

// Gives a run that is stored as running and goes on no longer its outcome. True: how the command ended was noted, and
// is in `info` now. Else: finished when the command's interpreter had begun to shut down, killed when not. Reads one
// page of each spool file of the command's process.
bool conclude(const Folder& folder, RunInfo& info);

}  // namespace headrace::run
