// One run of a trial: the program from its start for so many steps, in a process and a sandbox of its own.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "headrace/ledger.h"
#include "headrace/result.h"

namespace headrace::trial {

// Seconds that a run may take whatever is expected of it.
inline constexpr double least_patience = 120;

struct ArmOptions {
    std::vector<std::string> command;
    std::filesystem::path directory;  // where it is started
    std::filesystem::path folder;     // an existing folder of ours, absolute: the recording and the output go there
    std::string injection;            // empty: the program as it is
    // Where the recording is kept as a run: the .headrace folder, absolute, that `folder` lies in. Empty: nothing of it
    // is kept.
    std::filesystem::path keep_in = {};
    std::uint64_t steps = 0;        // after which all of its processes are killed
    double seconds = 0;             // the same, whatever it has done
    bool sandbox = true;            // otherwise its files are the real ones
    bool network = false;           // in the sandbox too
    std::function<bool()> done;     // asked at every look, inside: true ends it as the steps do
    std::function<bool()> stopped;  // asked ten times a second: true ends it
};

struct Arm {
    std::string run;                     // id of the run, where it was kept
    std::vector<double> step_seconds;    // after the first one, as in Audit::steady
    std::vector<Loader> loaders;         // of the training, as they were
    std::set<std::string> reached;       // names of the injection that took effect, of those that say so
    bool whole = false;                  // the program was not ended by us
    std::string end;                     // how the program ended by itself: "with exit code 1"; empty where we ended it
    std::string last_words;              // the last lines of its output
    std::vector<std::string> read_only;  // places that the sandbox could only protect
};

// Errors: permission_denied where there may be no sandbox; interrupted where it was stopped; io_error where the folder
// cannot be written or the process could not be made. Nothing of the program lives on after the return.
Result<Arm> run_arm(const ArmOptions& options);

}  // namespace headrace::trial
